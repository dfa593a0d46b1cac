//! A server of files, for this machine alone.

use std::fs;
use std::path::{Component, Path};

use tiny_http::{Header, Request, Response, Server};

use crate::Result;

/// Answers until it is stopped.
pub(crate) fn forever(folder: &Path, port: u16) -> Result {
    let server = Server::http(("127.0.0.1", port)).map_err(|e| format!("the port {port}: {e}"))?;
    println!("http://{}", server.server_addr());
    for request in server.incoming_requests() {
        // Whoever has gone away needs no answer.
        let _ = answer(request, folder);
    }
    Ok(())
}

fn answer(request: Request, folder: &Path) -> std::io::Result<()> {
    let path = request.url().split(['?', '#']).next().unwrap_or_default().trim_start_matches('/').to_owned();
    let path = Path::new(if path.is_empty() { "index.html" } else { &path });
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    let Some(bytes) = inside.then(|| fs::read(folder.join(path)).ok()).flatten() else {
        return request.respond(Response::from_string("not found").with_status_code(404));
    };
    let kind = match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    };
    let mut response = Response::from_data(bytes);
    // A page that is alone in its process has a finer clock.
    for (name, value) in [
        ("Content-Type", kind),
        ("Cache-Control", "no-cache"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Embedder-Policy", "require-corp"),
    ] {
        response.add_header(Header::from_bytes(name, value).expect("a header of ours is one"));
    }
    request.respond(response)
}
