//! The clients of a host: who they are, and the replies that wait for them.
//!
//! A reply goes to the transport at once while what is there for its client stays within a budget,
//! and waits here otherwise. The claims kept true: what one turn makes never overruns a
//! connection, replies of one client leave in their order, and no client makes more wait than the
//! bounds allow.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use synod_paxos::NodeId;
use synod_smr::wire::client::encode_response;
use synod_smr::{Connection, Principal, RequestId, Response};

use crate::event::Output;
use crate::settings::Settings;

/// All connected clients.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clients {
    connected: BTreeMap<Connection, Client>,
    /// Who has replies that wait, in the order in which they are served.
    blocked: VecDeque<Connection>,
    under_way: usize,
    waiting_bytes: usize,
}

#[derive(Clone, Debug)]
struct Client {
    principal: Principal,
    /// Bytes that the transport has and has not written.
    under_way: usize,
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
}

impl Clients {
    /// Takes a connection in.
    pub(crate) fn on_up(&mut self, connection: Connection, name: &str) {
        let principal = Principal::of_name(name);
        let waiting = VecDeque::new();
        let client = Client { principal, under_way: 0, waiting, waiting_bytes: 0 };
        self.connected.insert(connection, client);
    }

    /// Lets a connection go, with the replies that wait for it.
    pub(crate) fn on_down(&mut self, connection: Connection) {
        if let Some(client) = self.connected.remove(&connection) {
            self.waiting_bytes -= client.waiting_bytes;
            self.under_way -= client.under_way;
            self.blocked.retain(|blocked| *blocked != connection);
        }
    }

    /// Returns who asks on a connection; none if it is gone.
    pub(crate) fn principal(&self, connection: Connection) -> Option<Principal> {
        self.connected.get(&connection).map(|client| client.principal)
    }

    /// Takes a response; says whether it leaves at once, waits, or is not kept, as too much waits
    /// for its client.
    pub(crate) fn on_response(
        &mut self,
        me: NodeId,
        (connection, id, response): (Connection, RequestId, &Response),
        settings: &Settings,
    ) -> Answered {
        let Some(client) = self.connected.get_mut(&connection) else { return Answered::Gone };
        let mut bytes = encode_response(id, response);
        let fits = client.has_budget(bytes.len(), settings)
            && has_budget(self.under_way, bytes.len(), settings);
        if client.waiting.is_empty() && fits {
            client.under_way += bytes.len();
            self.under_way += bytes.len();
            return Answered::Now(Output::Reply { connection, bytes });
        }
        let full = client.waiting_bytes + bytes.len() > settings.replies_waiting_bytes
            || self.waiting_bytes + bytes.len() > settings.replies_waiting_bytes_total;
        if full && client.waiting.len() >= WORDS_WAITING_MAX {
            return Answered::LetGo;
        }
        if full {
            // Whether it was a command that took effect is for the session to say, when it asks.
            bytes = encode_response(id, &Response::Uncertain { leader: Some(me) });
        }
        if client.waiting.is_empty() {
            self.blocked.push_back(connection);
        }
        client.waiting_bytes += bytes.len();
        self.waiting_bytes += bytes.len();
        client.waiting.push_back(bytes);
        if full { Answered::LetGo } else { Answered::Later }
    }

    /// Takes note that the transport has written replies, and hands it the next ones: of all
    /// clients in turn, as what one has read is room for another.
    pub(crate) fn on_wrote(
        &mut self,
        connection: Connection,
        bytes: usize,
        settings: &Settings,
        outputs: &mut VecDeque<Output>,
    ) {
        let Some(client) = self.connected.get_mut(&connection) else { return };
        let written = bytes.min(client.under_way);
        client.under_way -= written;
        self.under_way -= written;
        for _ in 0..self.blocked.len() {
            let Some(next) = self.blocked.pop_front() else { return };
            if self.serve(next, settings, outputs) {
                self.blocked.push_back(next);
            }
        }
    }

    /// Hands over what may leave for a client; tells whether more waits.
    fn serve(
        &mut self,
        connection: Connection,
        settings: &Settings,
        outputs: &mut VecDeque<Output>,
    ) -> bool {
        let Some(client) = self.connected.get_mut(&connection) else { return false };
        while let Some(next) = client.waiting.front()
            && client.has_budget(next.len(), settings)
            && has_budget(self.under_way, next.len(), settings)
            && let Some(bytes) = client.waiting.pop_front()
        {
            client.under_way += bytes.len();
            self.under_way += bytes.len();
            client.waiting_bytes -= bytes.len();
            self.waiting_bytes -= bytes.len();
            outputs.push_back(Output::Reply { connection, bytes });
        }
        !client.waiting.is_empty()
    }
}

/// Tells whether the transport may have so many bytes more for all clients.
const fn has_budget(under_way: usize, bytes: usize, settings: &Settings) -> bool {
    under_way == 0 || under_way + bytes <= settings.reply_budget_bytes_total
}

impl Client {
    /// Tells whether the transport may have so many bytes more. One reply may always be there.
    const fn has_budget(&self, bytes: usize, settings: &Settings) -> bool {
        self.under_way == 0 || self.under_way + bytes <= settings.reply_budget_bytes
    }
}

/// What became of a response.
#[derive(Debug)]
pub(crate) enum Answered {
    /// It leaves.
    Now(Output),
    /// It waits for those before it.
    Later,
    /// It was not kept; a word that the outcome is uncertain waits in its place, unless too many
    /// wait already: then the client hears nothing, as of any reply that is lost.
    LetGo,
    /// Nobody waits for it: the client asks again elsewhere, and its session knows what was
    /// applied.
    Gone,
}

/// With so many replies waiting for a client that reads too slowly, it is not told any more that
/// others were not kept: whoever asks on without reading would make even these words grow.
const WORDS_WAITING_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const ME: NodeId = NodeId::new(1);
    const AT: Connection = Connection(7);

    fn settings() -> Settings {
        Settings { reply_budget_bytes: 250, replies_waiting_bytes: 400, ..Settings::default() }
    }

    fn answer(clients: &mut Clients, id: u64, bytes: usize) -> Answered {
        let response = Response::Reply(Bytes::from(vec![0; bytes]));
        clients.on_response(ME, (AT, RequestId(id), &response), &settings())
    }

    fn leaving(outputs: &VecDeque<Output>) -> Vec<usize> {
        let hundreds = |output: &Output| {
            if let Output::Reply { bytes, .. } = output { bytes.len() / 100 } else { 0 }
        };
        outputs.iter().map(hundreds).collect()
    }

    #[test]
    fn what_one_turn_makes_waits_for_what_is_under_way() {
        let mut clients = Clients::default();
        clients.on_up(AT, "alice");
        assert!(matches!(answer(&mut clients, 1, 100), Answered::Now(_)));
        assert!(matches!(answer(&mut clients, 2, 100), Answered::Now(_)));
        assert!(matches!(answer(&mut clients, 3, 300), Answered::Later), "past the budget");
        assert!(matches!(answer(&mut clients, 4, 1), Answered::Later), "and in order");
        let mut outputs = VecDeque::new();
        clients.on_wrote(AT, 110, &settings(), &mut outputs);
        assert!(outputs.is_empty(), "a large one waits until nothing else is there");
        clients.on_wrote(AT, 110, &settings(), &mut outputs);
        assert_eq!(leaving(&outputs), [3]);
        clients.on_wrote(AT, 310, &settings(), &mut outputs);
        assert_eq!(leaving(&outputs), [3, 0]);
    }

    #[test]
    fn a_client_that_asks_on_and_does_not_read_makes_no_more_wait_than_the_bound() {
        let mut clients = Clients::default();
        clients.on_up(AT, "alice");
        for id in 0..10_000 {
            answer(&mut clients, id, 200);
        }
        let waiting = clients.waiting_bytes;
        assert!(waiting < 400 + 16 * WORDS_WAITING_MAX, "{waiting} bytes wait");
        assert_eq!(clients.blocked.len(), 1, "it is served once in a turn");
    }

    #[test]
    fn what_one_client_has_read_is_room_for_another() {
        let mut clients = Clients::default();
        let settings = Settings { reply_budget_bytes_total: 250, ..settings() };
        let other = Connection(8);
        clients.on_up(AT, "alice");
        clients.on_up(other, "bob");
        let response = Response::Reply(Bytes::from(vec![0; 200]));
        let first = clients.on_response(ME, (AT, RequestId(1), &response), &settings);
        assert!(matches!(first, Answered::Now(_)));
        let second = clients.on_response(ME, (other, RequestId(2), &response), &settings);
        assert!(matches!(second, Answered::Later), "both would be too much");
        let mut outputs = VecDeque::new();
        clients.on_wrote(AT, 10_000, &settings, &mut outputs);
        assert_eq!(leaving(&outputs), [2]);
        clients.on_down(other);
        assert_eq!(clients.under_way, 0);
    }

    #[test]
    fn a_client_that_does_not_read_is_told_to_ask_again() {
        let mut clients = Clients::default();
        clients.on_up(AT, "alice");
        assert!(matches!(answer(&mut clients, 1, 250), Answered::Now(_)));
        assert!(matches!(answer(&mut clients, 2, 300), Answered::Later));
        assert!(matches!(answer(&mut clients, 3, 300), Answered::LetGo));
        let mut outputs = VecDeque::new();
        clients.on_wrote(AT, 1_000, &settings(), &mut outputs);
        clients.on_wrote(AT, 1_000, &settings(), &mut outputs);
        assert_eq!(leaving(&outputs), [3, 0]);
        clients.on_down(AT);
        assert_eq!(clients.waiting_bytes, 0);
        assert!(matches!(answer(&mut clients, 4, 1), Answered::Gone));
    }
}
