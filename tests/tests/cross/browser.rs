//! A page in headless Chromium: what it sends back.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use crate::tools::{has, need};

/// For all that a page does; it is over in seconds.
const PATIENCE: Duration = Duration::from_secs(180);

/// Ends with its owner.
pub(crate) struct Browser(Child);

impl Browser {
    /// Serves a folder, opens a page of it, and waits for what that posts to `/answer`.
    pub(crate) fn open(folder: &Path, page: &str) -> String {
        let names = ["chromium", "google-chrome", "chromium-browser"];
        let program = names.into_iter().find(|name| has(name)).unwrap_or("chromium");
        need(program, &["chromium"]);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its number");
        let (sender, answers) = mpsc::channel();
        let folder = folder.to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (folder, sender) = (folder.clone(), sender.clone());
                std::thread::spawn(move || serve(stream, &folder, &sender));
            }
        });
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new(program);
        // No sandbox: Chromium has none for root, and the page is ours.
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        // Without a port for whoever wants to look, headless Chromium may end with the page's load.
        command.args(["--remote-debugging-port=0", &format!("http://{address}/{page}")]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let _browser = Self(command.spawn().expect("Chromium starts"));
        answers.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("the page {page} sent no answer: {e}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One request: a file of the folder, with the type that a query asks for, or the page's answer.
fn serve(stream: TcpStream, folder: &Path, answers: &Sender<String>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if let Some((_, value)) = line.to_ascii_lowercase().split_once("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    if path == "/answer" {
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        reply(stream, "200 OK", "text/plain", b"")?;
        return answers.send(String::from_utf8_lossy(&body).into_owned()).ok();
    }
    let file = PathBuf::from(path.trim_start_matches('/'));
    let ending = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let usual = match ending {
        "html" => "text/html",
        "js" | "mjs" => "text/javascript",
        "css" => "text/css",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    };
    let mime = query.strip_prefix("type=").unwrap_or(usual);
    match std::fs::read(folder.join(&file)) {
        Ok(bytes) => reply(stream, "200 OK", mime, &bytes),
        Err(_) => reply(stream, "404 Not Found", "text/plain", b""),
    }
}

fn reply(mut stream: TcpStream, status: &str, mime: &str, bytes: &[u8]) -> Option<()> {
    let length = bytes.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {mime}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(bytes).ok()
}
