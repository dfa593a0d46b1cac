//! `xnorc inspect`.

use xnorc::report::Report;

use super::{Result, args, report, say, say_json};

pub(super) fn run(args: &args::Inspect) -> Result {
    let output = xnorc::load(&args.model.path, &args.model.config())?;
    let inspection = Report::new(&output);
    if args.json {
        say_json(&inspection)?;
    } else {
        say(&inspection.to_string());
    }
    report(&output.warnings);
    Ok(())
}
