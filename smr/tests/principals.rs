//! Whose session it is: nobody is given another's session or another's reply.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "lone/beat.rs"]
mod beat;

use beat::{ME, beat};
use bytes::Bytes;
use synod_paxos::{
    AfterSync, Ballot, Configuration, CoreId, Decree, Message as Paxos, NodeId, Report, Slot, Vote,
};
use synod_smr::client::{Client, ClientEffects, ClientInput, Millis, Operation, Ticket};
use synod_smr::{
    ClientId, Command, CommandBatch, Config, Connection, Effects, Input, Invalid, Message, Opening,
    Principal, Recovering, Refusal, Replica, Request, RequestBody, RequestId, Response, Sequence,
    SessionId, StateMachine, Timer,
};

const PEER: NodeId = NodeId::new(2);
const BALLOT: Ballot = Ballot::new(1, ME);

/// Counts what was applied, and answers each command with its own bytes.
#[derive(Clone, Debug, Default)]
struct Echo(u64);

impl StateMachine for Echo {
    fn validate(&self, _: &[u8]) -> Result<(), Invalid> {
        Ok(())
    }

    fn apply(&mut self, command: &[u8]) -> Bytes {
        self.0 += 1;
        Bytes::copy_from_slice(command)
    }

    fn query(&self, _: &[u8]) -> Bytes {
        Bytes::new()
    }

    fn digest(&self) -> u64 {
        self.0
    }
}

/// A replica that leads, as soon as it is elected.
struct World {
    replica: Replica<Echo>,
    effects: Effects,
    replies: Vec<(Connection, Response)>,
}

impl World {
    /// Elects the replica; a peer reports these votes.
    fn elected(reports: Vec<(Slot, Report<CommandBatch>)>) -> Self {
        let core_id = CoreId { node: ME, incarnation: 1 };
        let voters = Configuration::majority([1, 2, 3].map(NodeId::new)).unwrap();
        let mut effects = Effects::new(core_id);
        let replica = Recovering::new(Echo(0)).finish(Config::lan(core_id, voters), &mut effects);
        let mut world = Self { replica, effects, replies: Vec::new() };
        world.hear(Message::Heartbeat(beat(0)));
        world.step(Input::Timer(Timer::Campaign));
        let (ballot, first, chosen) = (BALLOT, Slot::FIRST, Slot::FIRST);
        let promise = AfterSync::Promise { ballot, first, end: None, chosen, reports };
        world.hear(Message::Paxos(Paxos::AfterSync(promise)));
        assert_eq!(world.replica.status().leads, Some(BALLOT));
        world
    }

    fn step(&mut self, input: Input) {
        self.replica.step(input, &mut self.effects);
        while let Some(batch) = self.effects.take_batch() {
            self.replica.step(Input::Synced(batch.confirm_synced()), &mut self.effects);
        }
        let replies = self.effects.replies();
        self.replies.extend(replies.map(|(connection, _, response)| (connection, response)));
        self.effects.outbox().for_each(drop);
    }

    fn hear(&mut self, message: Message) {
        self.step(Input::Message { from: PEER, message });
    }

    fn ask(&mut self, who: &str, connection: u64, body: RequestBody) {
        let (connection, principal) = (Connection(connection), Principal::of_name(who));
        let request = Request { id: RequestId(connection.0), body };
        self.step(Input::Request { connection, principal, request });
    }

    /// Lets the peer accept all that this leader proposes.
    fn accept_all(&mut self) {
        for end in 1..8 {
            let (first, end) = (Slot::FIRST, Slot::new(end));
            let accepted = AfterSync::Accepted { ballot: BALLOT, first, end };
            self.hear(Message::Paxos(Paxos::AfterSync(accepted)));
        }
    }

    /// Takes out what a connection was told last.
    fn told(&mut self, connection: u64) -> Option<Response> {
        let of = |(to, _): &(Connection, Response)| to.0 == connection;
        let place = self.replies.iter().rposition(of)?;
        Some(self.replies.remove(place).1)
    }

    fn applied(&self) -> u64 {
        self.replica.executor().machine().0
    }
}

fn opening(client: u128) -> RequestBody {
    RequestBody::Open { opening: Opening::first(ClientId::new(client)) }
}

fn command(session: SessionId, payload: &'static [u8]) -> RequestBody {
    let (sequence, unanswered) = (Sequence::FIRST, Sequence::FIRST);
    RequestBody::Command { session, sequence, unanswered, payload: Bytes::from_static(payload) }
}

/// A candidate that has heard of alice's session, in slot 0, and does not know it yet.
fn unsettled() -> (World, SessionId) {
    let principal = Principal::of_name("alice");
    let open = Command::Open { principal, opening: Opening::first(ClientId::new(1)) };
    let decree = Decree::Value(CommandBatch::encode(&[open]));
    let vote = Report::Voted(Vote { ballot: Ballot::new(0, PEER), decree });
    let world = World::elected(vec![(Slot::FIRST, vote)]);
    assert!(!world.replica.paxos().is_settled());
    (world, SessionId { slot: Slot::FIRST, position: 0 })
}

#[test]
fn a_stranger_with_the_same_numbers_does_not_get_the_reply() {
    // The same payload as well: the stranger might know what alice does, and not how it ends.
    for payload in [&b"anything"[..], b"alice's"] {
        let (mut world, session) = unsettled();
        world.ask("alice", 1, command(session, b"alice's"));
        world.ask("mallory", 2, command(session, payload));
        world.accept_all();
        assert_eq!(world.told(1), Some(Response::Reply(Bytes::from_static(b"alice's"))));
        assert_eq!(world.told(2), Some(Response::Refused(Refusal::SessionExpired)));
        assert_eq!(world.applied(), 1);
    }
}

#[test]
fn another_command_under_the_same_number_does_not_get_the_reply() {
    let (mut world, session) = unsettled();
    world.ask("alice", 1, command(session, b"one"));
    world.ask("alice", 2, command(session, b"two"));
    world.ask("alice", 3, command(session, b"one"));
    world.accept_all();
    let one = Some(Response::Reply(Bytes::from_static(b"one")));
    assert_eq!((world.told(1), world.told(3)), (one.clone(), one));
    assert_eq!(world.told(2), Some(Response::Refused(Refusal::SequenceReused)));
    assert_eq!(world.applied(), 1);
}

#[test]
fn a_session_serves_its_own_certificate_alone() {
    let mut world = World::elected(Vec::new());
    world.ask("alice", 1, opening(1));
    world.accept_all();
    let Some(Response::Opened(session)) = world.told(1) else { panic!("no session") };
    world.ask("mallory", 2, command(session, b"hers"));
    world.accept_all();
    assert_eq!(world.told(2), Some(Response::Refused(Refusal::SessionExpired)));
    world.ask("alice", 1, command(session, b"mine"));
    world.accept_all();
    assert_eq!(world.told(1), Some(Response::Reply(Bytes::from_static(b"mine"))));
    assert_eq!(world.applied(), 1);
}

#[test]
fn openings_of_one_name_by_two_certificates_are_two_sessions() {
    let mut world = World::elected(Vec::new());
    world.ask("alice", 9, opening(9));
    world.ask("alice", 1, opening(1));
    world.ask("mallory", 2, opening(1));
    world.ask("alice", 3, opening(1));
    world.accept_all();
    let (one, two, again) = (world.told(1), world.told(2), world.told(3));
    assert!(matches!(one, Some(Response::Opened(_))));
    assert_ne!(one, two);
    assert_eq!(one, again, "the attempts of one opening wait together");
}

/// A client, and the last request that it has made.
struct Asker {
    client: Client,
    last: Option<Request>,
}

impl Asker {
    fn new(number: u128) -> Self {
        Self { client: Client::new(vec![ME], ClientId::new(number), 1000), last: None }
    }

    fn step(&mut self, input: ClientInput) -> RequestBody {
        let mut effects = ClientEffects::default();
        self.client.step(Millis(1), input, &mut effects);
        self.last = effects.requests.pop().map(|(_, request)| request);
        self.last.clone().unwrap().body
    }

    fn submit(&mut self) -> RequestBody {
        let operation = Operation::Command(Bytes::from_static(b"add 1"));
        let (ticket, deadline) = (Ticket(1), Millis(60_000));
        self.step(ClientInput::Submit { ticket, operation, deadline })
    }

    fn hear(&mut self, response: Response) -> RequestBody {
        let id = self.last.clone().unwrap().id;
        self.step(ClientInput::Response { from: ME, id, response })
    }
}

/// The second opening of one client and the first of its neighbour are on their way at once.
#[test]
fn two_clients_of_one_certificate_never_share_a_session() {
    let mut world = World::elected(Vec::new());
    let (mut one, mut two) = (Asker::new(1), Asker::new(2));
    one.submit();
    one.hear(Response::Opened(SessionId { slot: Slot::new(99), position: 0 }));
    let reopening = one.hear(Response::Refused(Refusal::SessionExpired));
    let opening_of_two = two.submit();
    // A slot is open already, so that both gather.
    world.ask("app", 9, opening(9));
    world.ask("app", 1, reopening);
    world.ask("app", 2, opening_of_two);
    world.accept_all();
    let commands = [one.hear(world.told(1).unwrap()), two.hear(world.told(2).unwrap())];
    for (connection, command) in (1..).zip(commands) {
        world.ask("app", connection, command);
        world.accept_all();
        assert!(matches!(world.told(connection), Some(Response::Reply(_))));
    }
    assert_eq!(world.applied(), 2, "two increments were acknowledged");
}
