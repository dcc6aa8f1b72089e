//! A server that keeps values in its own process, and a bridge that asks it: a cluster that was
//! there before the harness, and is afterwards.
//!
//! Each server has all operations that the stand-in knows, over lines of JSON on TCP; the bridge
//! asks the first of its servers alone, so that the histories are linearizable because there is one
//! copy of everything. With the bug `forgets` a server acknowledges each fiftieth write and drops
//! it.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Store, lock};

/// Serves for ever.
pub(super) fn serve(listen: Option<SocketAddr>, bug: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(listen.ok_or("--client-listen is missing")?)?;
    let shared = Arc::new(Mutex::new((Store::default(), 0_u64)));
    for stream in listener.incoming() {
        let (stream, shared, bug) = (stream?, Arc::clone(&shared), bug.to_owned());
        // Whoever asks may be gone before its answer.
        std::thread::spawn(move || drop(answer_all(&stream, &shared, &bug)));
    }
    Ok(())
}

fn answer_all(
    mut stream: &TcpStream,
    shared: &Mutex<(Store, u64)>,
    bug: &str,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    for line in BufReader::new(stream).lines() {
        let Ok(request) = serde_json::from_str::<Value>(&line?) else { return Ok(()) };
        let answered = {
            let (store, writes) = &mut *lock(shared);
            *writes += u64::from(request["f"] == "write");
            if bug == "forgets" && request["f"] == "write" && writes.is_multiple_of(50) {
                Ok(Value::Null)
            } else {
                store.apply(&request, "none")
            }
        };
        let answer = match answered {
            Ok(value) => json!({"id": request["id"], "type": "ok", "value": value}),
            Err(error) => json!({"id": request["id"], "type": "fail", "error": error}),
        };
        stream.write_all(format!("{answer}\n").as_bytes())?;
    }
    Ok(())
}

/// Answers requests from standard input until it ends; each logical client has its own connection.
pub(super) fn bridge(servers: &BTreeMap<u16, SocketAddr>) -> Result<(), Box<dyn Error>> {
    let server = *servers.values().next().ok_or("--other is missing")?;
    let mut clients: BTreeMap<u64, Sender<Value>> = BTreeMap::new();
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let client = request["client"].as_u64().ok_or("a request without client")?;
        let client = clients.entry(client).or_insert_with(|| {
            let (sender, requests) = channel::<Value>();
            std::thread::spawn(move || {
                let mut connection = None;
                for request in requests {
                    println!("{}", asked(&request, server, &mut connection));
                }
            });
            sender
        });
        client.send(request)?;
    }
    Ok(())
}

/// Asks the server. What may have reached it has an unknown outcome.
fn asked(request: &Value, server: SocketAddr, connection: &mut Option<TcpStream>) -> Value {
    let id = &request["id"];
    if request["f"] == "status" {
        return json!({"id": id, "type": "fail", "error": "there is no status"});
    }
    let limit = Duration::from_millis(request["timeout_ms"].as_u64().unwrap_or(1).max(1));
    if connection.is_none() {
        match TcpStream::connect_timeout(&server, limit) {
            Ok(stream) => *connection = Some(stream),
            Err(error) => return json!({"id": id, "type": "fail", "error": error.to_string()}),
        }
    }
    match exchange(request, connection.as_ref(), limit) {
        Ok(answer) => answer,
        Err(error) => {
            // A late answer must not be taken for that of the next request.
            *connection = None;
            json!({"id": id, "type": "info", "error": error.to_string()})
        }
    }
}

fn exchange(
    request: &Value,
    stream: Option<&TcpStream>,
    limit: Duration,
) -> Result<Value, Box<dyn Error>> {
    let mut stream = stream.ok_or("there is no connection")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}
