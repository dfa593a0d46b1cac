//! `xnorc inspect`.

use xnorc::report::Report;

use super::{Result, args, arrays, report, say, say_json};

pub(super) fn run(args: &args::Inspect) -> Result {
    let output = xnorc::load(&args.model.path, &arrays::config(&args.model)?)?;
    let inspection = Report::new(&output);
    if args.json {
        say_json(&inspection)?;
    } else {
        say(&inspection.to_string());
    }
    report(&output.warnings);
    Ok(())
}
