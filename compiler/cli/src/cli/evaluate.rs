//! `xnorc evaluate`.

use crate::arrays as files;
use crate::evaluate::{self, Evaluation, Pictures, Preparation, Scores};
use xnorc::diagnostics::{Code, Diagnostic};

use super::progress::Progress;
use super::{Failure, Result, args, file_problem, has_folder, program, report, say, say_json};

pub(super) fn run(args: &args::Evaluate) -> Result {
    let output = program::load(&args.model)?;
    report(&output.warnings);
    let network = &output.network;
    let preparation = Preparation {
        scale: evaluate::scale(network, args.scale),
        mean: args.mean.clone(),
        std: args.std.clone(),
        layout: args.layout.map(Into::into),
    };
    // Everything that can be wrong with the files is said before anything is built.
    let pictures = Pictures::open(&args.images, evaluate::input_shape(network)?, &preparation)?;
    let count = args.limit.map_or(pictures.count(), |limit| pictures.count().min(limit as usize));
    let labels = match (&args.labels, pictures.labels()) {
        (Some(_), Some(_)) => {
            let message = "--labels contradicts folders that say the class: put the pictures into one folder";
            return Err(Failure::Usage(message.to_owned()));
        }
        (Some(path), None) => Some(evaluate::read_labels(path, &pictures)?),
        (None, labels) => labels,
    };
    if args.confusion.is_some() && labels.is_none() {
        return Err(Failure::Usage("--confusion needs --labels, or a folder of pictures for each class".to_owned()));
    }
    let labels = labels.map(|labels| labels[..count].to_vec());
    args.save.iter().chain(&args.confusion).try_for_each(|path| has_folder(path))?;
    let mut beside = Vec::new();
    for path in &args.beside {
        let array = files::single(path)?.tensor();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let scores = Scores::new(&array)?.first(count);
        if scores.pictures() != count {
            let message = format!("answers for {} pictures, but there are {count}", scores.pictures());
            return Err(mismatch(path, message));
        }
        beside.push((name, scores));
    }
    let mut started = program::start(&args.model, &output, &args.machine, args.engine)?;
    let mut progress = Progress::new("pictures", count);
    let answers = evaluate::answers(network, &mut started.program, &pictures, count, &mut |done| progress.done(done))?;
    drop(progress);
    let scores = Scores::new(&answers.outputs)?;
    if let (Some(path), Some(most)) = (&args.labels, labels.iter().flatten().max())
        && scores.has_scores()
        && *most >= scores.classes()
    {
        return Err(mismatch(path, format!("a label is {most}, but the model has {} classes", scores.classes())));
    }
    if let Some(path) = &args.save {
        files::write(path, &answers.outputs)?;
    }
    let mut evaluation = Evaluation::new(&scores, &answers.timing, labels.as_deref(), pictures.classes(), &beside);
    (evaluation.level, evaluation.threads) = (started.level, args.machine.threads as usize);
    if let Some(path) = &args.confusion {
        std::fs::write(path, evaluation.confusion_csv()).map_err(|e| file_problem(path, "cannot be written", e))?;
    }
    if args.json {
        return say_json(&evaluation);
    }
    say(&evaluation.to_string());
    for path in args.save.iter().chain(&args.confusion) {
        say(&format!("written: {}", path.display()));
    }
    Ok(())
}

fn mismatch(path: &std::path::Path, message: String) -> Failure {
    Diagnostic::error(Code::ShapeMismatch, format!("file \"{}\"", path.display()), message).into()
}
