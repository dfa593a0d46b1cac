//! The text of the IR after each pass, for small models of every exporter.
//!
//! A pass that changed nothing is named on one line; so a snapshot shows what each pass did to this model.

use std::path::PathBuf;

fn fixture(name: &str) -> (Vec<u8>, PathBuf) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let path = folder.join(format!("{name}.onnx"));
    (std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())), folder)
}

fn story(name: &str) -> String {
    let (bytes, folder) = fixture(name);
    let options = xnorc::import::Options { dims: Vec::new(), folder: Some(folder) };
    let mut graph = xnorc::import::load(&bytes, &options).unwrap_or_else(|e| panic!("{name}: {e}")).graph;
    let mut text = format!("==== import\n{graph}");
    let mut previous = graph.to_string();
    let network = xnorc::passes::run(&mut graph, |pass, graph| {
        let now = graph.to_string();
        if now == previous {
            text += &format!("==== {pass}: nothing to do\n");
        } else {
            text += &format!("==== {pass}\n{now}");
            previous = now;
        }
    })
    .unwrap_or_else(|e| panic!("{name}: {e}"));
    text + &format!("==== lower\n{network}")
}

macro_rules! stories {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                insta::assert_snapshot!(stringify!($name), story(stringify!($name)));
            }
        )*
    };
}

stories! {
    r2b_ts17
    r2b_dyn
    bireal_dyn
    larq_r2b_op17
    brevitas_conv_qonnx
    xnor_lenet_ts17
    irnet_dyn
}
