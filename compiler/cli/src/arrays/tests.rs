use std::io::Write as _;

use super::*;
use xnorc::ir::DType;
use xnorc::ir::network::{NetTensor, Storage};

fn network(shapes: &[(&str, &[usize])]) -> (Network, Vec<TensorId>) {
    let mut network = Network::default();
    let ids = shapes.iter().map(|(name, shape)| {
        let storage = Storage::Dense(DType::F32);
        network.add_tensor(NetTensor { name: (*name).into(), shape: shape.to_vec(), storage, origin: None })
    });
    let ids = ids.collect();
    (network, ids)
}

/// 0, 1, 2...
fn counting(shape: &[usize]) -> Tensor {
    Tensor::f32(shape, (0..shape.iter().product::<usize>()).map(|i| i as f32).collect())
}

fn archive(path: &Path, members: &[(&str, &[u8])], method: zip::CompressionMethod) {
    let mut writer = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn one_or_a_stack() {
    for (array, tensor, expected) in [
        (&[1, 3, 4, 4][..], &[1, 3, 4, 4][..], Some((1, 1))),
        (&[3, 4, 4], &[1, 3, 4, 4], Some((1, 1))),
        (&[5, 3, 4, 4], &[1, 3, 4, 4], Some((5, 1))),
        (&[5, 1, 3, 4, 4], &[1, 3, 4, 4], Some((5, 1))),
        // Without its axis of channels.
        (&[5, 28, 28], &[1, 1, 28, 28], Some((5, 1))),
        (&[28, 28], &[1, 1, 28, 28], Some((1, 1))),
        // Four at a time.
        (&[4, 3, 2, 2], &[4, 3, 2, 2], Some((4, 4))),
        (&[7, 3, 2, 2], &[4, 3, 2, 2], Some((7, 4))),
        (&[7, 4, 3, 2, 2], &[4, 3, 2, 2], Some((7, 1))),
        (&[0, 4], &[1, 4], Some((0, 1))),
        // No axis of pictures.
        (&[4], &[4], Some((1, 1))),
        (&[6, 4], &[4], Some((6, 1))),
        (&[8], &[4], None),
        (&[5, 4, 4, 3], &[1, 3, 4, 4], None),
        (&[], &[1, 2], None),
    ] {
        assert_eq!(counts(array, tensor, true), expected, "{array:?} for {tensor:?}");
    }
    assert_eq!(counts(&[3, 4], &[3, 4], false), Some((1, 1)));
    assert_eq!(counts(&[5, 3, 4], &[3, 4], false), Some((5, 1)));
    assert_eq!(counts(&[5, 4], &[3, 4], false), None);
}

/// What begins with other extents is no batch: tables of three and of two rows.
#[test]
fn inputs_of_several_extents() {
    let home = tempfile::tempdir().unwrap();
    let (mut network, ids) = network(&[("a", &[3, 4]), ("b", &[2, 4])]);
    network.inputs = ids.clone();
    for (count, shapes) in [(1, [vec![3, 4], vec![2, 4]]), (5, [vec![5, 3, 4], vec![5, 2, 4]])] {
        let paths = ["a.npy", "b.npy"].map(|name| home.path().join(name));
        for (path, shape) in paths.iter().zip(&shapes) {
            std::fs::write(path, npy::write(&counting(shape))).unwrap();
        }
        let stack = Stack::read(&paths, &network, &ids).unwrap();
        assert_eq!((stack.count(), stack.samples()), (count, count));
        assert_eq!(stack.sample(count - 1)[1].to_f32()[0], 8.0 * (count - 1) as f32);
    }
}

#[test]
fn samples_are_filled_up_and_outputs_cut_again() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x.npy");
    let (network, ids) = network(&[("x", &[2, 3])]);
    write(&path, &counting(&[5, 3])).unwrap();
    let stack = Stack::read(&[&path], &network, &ids).unwrap();
    assert_eq!((stack.count(), stack.samples(), stack.batch()), (5, 3, 2));
    let sample = |index: usize| stack.sample(index)[0].to_f32();
    assert_eq!(sample(1), [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
    assert_eq!(sample(2), [12.0, 13.0, 14.0, 12.0, 13.0, 14.0]);
    assert_eq!([0, 1, 2].map(|i| stack.own(i)), [2, 2, 1]);
    // What comes out row by row is what went in; an output without that axis gets one.
    let (mut rows, mut whole) = (Collected::new(), Collected::new());
    for index in 0..3 {
        rows.add(&stack.sample(index)[0], stack.own(index), 2);
        whole.add(&Tensor::f32([3], vec![index as f32; 3]), stack.own(index), 2);
    }
    assert_eq!(rows.tensor(), Some(counting(&[5, 3])));
    assert_eq!(whole.tensor().unwrap().shape, [3, 3]);
}

#[test]
fn archives_have_arrays_by_name() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x.npz");
    let (network, ids) = network(&[("a", &[1, 2]), ("b/c", &[1, 3])]);
    let (a, b) = (npy::write(&counting(&[4, 2])), npy::write(&counting(&[4, 3])));
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        archive(&path, &[("b/c.npy", &b), ("a.npy", &a), ("readme", b"x")], method);
        let stack = Stack::read(&[&path], &network, &ids).unwrap();
        assert_eq!((stack.samples(), &stack.sample(3)[1].to_f32()[..]), (4, &[9.0, 10.0, 11.0][..]));
        // Or each from a file of its own.
        let one = Stack::read(&[&path], &network, &ids[1..]).unwrap();
        assert_eq!(one.sample(0)[0].to_f32(), [0.0, 1.0, 2.0]);
    }
    assert!(single(&path).unwrap_err().to_string().contains("holds 2 arrays (\"b/c\", \"a\") where one is wanted"));
    assert_eq!(single(&home.path().join("x.npz:b/c")).unwrap().shape, [4, 3]);
    assert!(single(&home.path().join("x.npz:c")).unwrap_err().to_string().contains("holds no array \"c\""));
    // One array needs no name that fits.
    archive(&path, &[("arr_0.npy", &a)], zip::CompressionMethod::Deflated);
    assert_eq!(Stack::read(&[&path], &network, &ids[..1]).unwrap().count(), 4);
    assert_eq!(single(&path).unwrap().shape, [4, 2]);
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Stack::read(&[&path], &network, &ids).unwrap_err().to_string()
    };
    assert!(refused(b"PK\x03\x04broken").contains("cannot be read"));
    archive(&path, &[("a.npy", &a)], zip::CompressionMethod::Stored);
    let missing = Stack::read(&[&path], &network, &ids).unwrap_err().to_string();
    assert!(missing.contains("holds no array \"b/c\""), "{missing}");
    archive(&path, &[("a.npy", &a), ("b/c.npy", &npy::write(&counting(&[3, 3])))], zip::CompressionMethod::Stored);
    let uneven = Stack::read(&[&path], &network, &ids).unwrap_err().to_string();
    assert!(uneven.contains("a stack of 3 where the first one has 4"), "{uneven}");
    archive(&path, &[("a.npy", &npy::write(&counting(&[4, 5])))], zip::CompressionMethod::Stored);
    let other = Stack::read(&[&path], &network, &ids[..1]).unwrap_err().to_string();
    assert!(other.starts_with("X009") && other.contains("or a stack of them: [N, 2]"), "{other}");
}

#[test]
fn files_in_sets() {
    let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
    let lens =
        |names: &[&str], count| Some(sets(&paths(names), count)?.iter().map(|set| set.len()).collect::<Vec<_>>());
    assert_eq!(lens(&["a.npy", "b.npy", "c.npz", "d.npy", "e.npy"], 2), Some(vec![2, 1, 2]));
    assert_eq!(lens(&["a.npy", "b.npy"], 1), Some(vec![1, 1]));
    assert_eq!(lens(&["a.npy", "b.npy", "c.npy"], 2), None);
    assert_eq!(lens(&[], 2), Some(vec![]));
}
