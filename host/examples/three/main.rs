//! Three hosts in one thread, with journals on files: no runtime, no socket, no clock but a loop.
//! Run it by `cargo run -p synod-host --example three -- FOLDER`.

use std::{collections::VecDeque, error::Error, path::Path};
use synod_clock::Moment;
use synod_host::journal::{Committer, Options, RealDisk};
use synod_host::paxos::{Configuration, CoreId, NodeId};
use synod_host::smr::wire::{decode_response, encode_request};
use synod_host::smr::{Config, Connection, Request, RequestBody, RequestId, Response};
use synod_host::{Event, Output, Settings, identity_of, open};

mod echo;

/// Runs the three until one of them has answered a question, and returns the answer.
pub(crate) fn ask(folder: &Path, question: &'static [u8]) -> Result<bytes::Bytes, Box<dyn Error>> {
    let (ids, connection, mut nodes) = ([1, 2, 3].map(NodeId::new), Connection(1), Vec::new());
    let (settings, mut inboxes) = (Settings::default(), ids.map(|_| VecDeque::new()));
    for node in ids {
        let (path, voters) = (folder.join(node.to_string()), Configuration::majority(ids)?);
        let options = Options::new(identity_of("example", node, &voters).as_bytes());
        let opened = open(RealDisk, &path, &options, echo::Echo, &settings, |_, _| ())?;
        let config = Config::lan(CoreId { node, incarnation: 0 }, voters);
        let (mut host, journal) = opened.start(config, node.number().into());
        host.take(Moment::ORIGIN, Event::ClientUp { connection, name: "somebody".to_owned() });
        nodes.push((host, Committer::new(journal)));
    }
    let body = RequestBody::Query(question.into());
    let request = encode_request(&Request { id: RequestId(1), body });
    for now in (0..).map(|ms| Moment::from_nanos(ms * 1_000_000)) {
        for (place, (host, journal)) in nodes.iter_mut().enumerate() {
            inboxes[place].push_back(Event::ClientFrame { connection, bytes: request.clone() });
            inboxes[place].drain(..).for_each(|event| host.take(now, event));
            host.on_time(now);
            host.flush(now);
            while let Some(output) = host.output() {
                match output {
                    Output::Commit(commit) => journal.write(&mut vec![commit]),
                    Output::Send { to, bytes, .. } => inboxes[usize::from(to.number()) - 1]
                        .push_back(Event::PeerFrame { peer: ids[place], bytes }),
                    Output::Reply { bytes, .. } => {
                        if let Response::Reply(answer) = decode_response(&bytes)?.1 {
                            return Ok(answer);
                        }
                    }
                    Output::Close { .. } | Output::Beacon(_) | Output::Read(_) => {}
                    Output::Snapshot(order) => host.on_snapshot(order.nothing()),
                }
            }
            journal.sync()?;
            inboxes[place].extend(journal.completions().map(Event::Committed));
        }
    }
    Err("time has no end".into())
}

#[allow(dead_code, reason = "a test calls `ask` itself")]
fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("name a folder for three journals")?;
    ask(Path::new(&folder), b"who is there").map(|answer| assert_eq!(answer, "who is there"))
}
