//! The decoders, each as a function of bytes.
//!
//! Frames of QUIC and of the journal are not here: those are private to their crates, whose own
//! tests flip each of their bytes.

use std::fmt::Debug;

use bytes::Bytes;
use synod_fault::Scenario;
use synod_history::import::Format;
use synod_kv::command::{Command, Query, Reply};
use synod_live::system::System;
use synod_smr::wire::{decode_message, encode_message};
use synod_smr::wire::{decode_record, encode_record};
use synod_smr::wire::{decode_request, decode_response, encode_request, encode_response};

/// What a decoder said of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is valid, and its written form means the same.
    Accepted,
    /// It is not.
    Refused,
}

/// A decoder.
#[derive(Clone, Copy, Debug)]
pub struct FuzzTarget {
    /// The name, and that of its corpus.
    pub name: &'static str,
    /// Decodes an input. It panics if the decoder does, or if what was accepted is written as
    /// something else.
    pub run: fn(&[u8]) -> Verdict,
}

/// Every decoder.
pub const TARGETS: &[FuzzTarget] = &[
    FuzzTarget { name: "message", run: message },
    FuzzTarget { name: "record", run: record },
    FuzzTarget { name: "request", run: request },
    FuzzTarget { name: "response", run: response },
    FuzzTarget { name: "kv-command", run: kv_command },
    FuzzTarget { name: "kv-query", run: kv_query },
    FuzzTarget { name: "kv-reply", run: kv_reply },
    FuzzTarget { name: "history-jsonl", run: |bytes| history(Format::Jsonl, bytes) },
    FuzzTarget { name: "history-edn", run: |bytes| history(Format::Edn, bytes) },
    FuzzTarget { name: "history-jepsen-json", run: |bytes| history(Format::JepsenJson, bytes) },
    FuzzTarget { name: "history-jepsen-log", run: |bytes| history(Format::JepsenLog, bytes) },
    FuzzTarget { name: "history-porcupine-kv", run: |bytes| history(Format::PorcupineKv, bytes) },
    FuzzTarget {
        name: "history-porcupine-json",
        run: |bytes| history(Format::PorcupineJson, bytes),
    },
    FuzzTarget { name: "history-etcd-json", run: |bytes| history(Format::EtcdJson, bytes) },
    FuzzTarget { name: "system", run: system },
    FuzzTarget { name: "plan", run: plan },
    FuzzTarget { name: "scenario", run: scenario },
];

fn message(bytes: &[u8]) -> Verdict {
    let decode = |bytes: &[u8]| decode_message(&Bytes::copy_from_slice(bytes)).ok();
    same(decode(bytes), |message| encode_message(message).to_vec(), decode)
}

fn record(bytes: &[u8]) -> Verdict {
    let decode = |bytes: &[u8]| decode_record(&Bytes::copy_from_slice(bytes)).ok();
    same(decode(bytes), |record| encode_record(record).to_vec(), decode)
}

fn request(bytes: &[u8]) -> Verdict {
    let decode = |bytes: &[u8]| decode_request(&Bytes::copy_from_slice(bytes)).ok();
    same(decode(bytes), |request| encode_request(request).to_vec(), decode)
}

fn response(bytes: &[u8]) -> Verdict {
    let decode = |bytes: &[u8]| decode_response(&Bytes::copy_from_slice(bytes)).ok();
    same(decode(bytes), |(id, response)| encode_response(*id, response).to_vec(), decode)
}

fn kv_command(bytes: &[u8]) -> Verdict {
    let Ok(command) = Command::decode(bytes) else { return Verdict::Refused };
    assert_eq!(Command::decode(&command.encode()), Ok(command));
    Verdict::Accepted
}

fn kv_query(bytes: &[u8]) -> Verdict {
    let Ok(query) = Query::decode(bytes) else { return Verdict::Refused };
    assert_eq!(Query::decode(&query.encode()), Ok(query));
    Verdict::Accepted
}

fn kv_reply(bytes: &[u8]) -> Verdict {
    let Ok(reply) = Reply::decode(bytes) else { return Verdict::Refused };
    assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
    Verdict::Accepted
}

/// A history is read and never written in a foreign format.
fn history(format: Format, bytes: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(bytes) else { return Verdict::Refused };
    match format.read(text, "fuzz") {
        Ok(_) => Verdict::Accepted,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "a refusal has words");
            Verdict::Refused
        }
    }
}

fn system(bytes: &[u8]) -> Verdict {
    let decode = |bytes: &[u8]| serde_json::from_slice::<System>(bytes).ok();
    same(decode(bytes), json, decode)
}

fn plan(bytes: &[u8]) -> Verdict {
    let decode = |bytes: &[u8]| Scenario::from_json(std::str::from_utf8(bytes).ok()?).ok();
    same(decode(bytes), |scenario| scenario.to_json().into_bytes(), decode)
}

fn scenario(bytes: &[u8]) -> Verdict {
    let decode = |bytes: &[u8]| Scenario::from_toml(std::str::from_utf8(bytes).ok()?).ok();
    let encode = |scenario: &Scenario| {
        scenario.to_toml().expect("what was read has a written form").into_bytes()
    };
    same(decode(bytes), encode, decode)
}

fn json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("what was read has a written form")
}

/// Writes what was decoded, reads that, and compares.
fn same<T: Debug + PartialEq>(
    decoded: Option<T>,
    encode: impl Fn(&T) -> Vec<u8>,
    decode: impl Fn(&[u8]) -> Option<T>,
) -> Verdict {
    let Some(decoded) = decoded else { return Verdict::Refused };
    let written = encode(&decoded);
    assert_eq!(decode(&written).as_ref(), Some(&decoded), "what is written means the same");
    Verdict::Accepted
}
