//! Replies on their way to clients that read, read slowly, and do not read.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use super::*;

const ME: NodeId = NodeId::new(1);
const AT: Connection = Connection(7);

fn settings() -> Settings {
    Settings {
        reply_budget_bytes: 250 + 2 * REPLY_OVERHEAD_BYTES,
        reply_share_bytes: 0,
        replies_waiting_bytes: 400 + 2 * REPLY_OVERHEAD_BYTES,
        ..Settings::default()
    }
}

fn reply(clients: &mut Clients, at: Connection, id: u64, bytes: usize) -> Answered {
    answer_within(clients, (at, id, bytes), &settings())
}

fn answer_within(
    clients: &mut Clients,
    (at, id, bytes): (Connection, u64, usize),
    settings: &Settings,
) -> Answered {
    let response = Response::Reply(Bytes::from(vec![0; bytes]));
    clients.on_response(ME, (at, RequestId(id), &response), settings)
}

fn answer(clients: &mut Clients, id: u64, bytes: usize) -> Answered {
    reply(clients, AT, id, bytes)
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
fn a_reply_counts_until_all_of_it_is_written() {
    let mut clients = Clients::default();
    clients.on_up(AT, "alice");
    assert!(matches!(answer(&mut clients, 1, 200), Answered::Now(_)));
    let all = clients.held().under_way;
    let mut outputs = VecDeque::new();
    clients.on_wrote(AT, 150, &settings(), &mut outputs);
    assert_eq!(clients.held().under_way, all);
    clients.on_wrote(AT, 100, &settings(), &mut outputs);
    assert_eq!(clients.held().under_way, 0);
}

#[test]
fn empty_replies_cost_something_too() {
    let mut clients = Clients::default();
    clients.on_up(AT, "alice");
    let at_once = (0..100).filter(|id| matches!(answer(&mut clients, *id, 0), Answered::Now(_)));
    assert!(at_once.count() <= 250 / REPLY_OVERHEAD_BYTES + 3);
    let Held { waiting, words, .. } = clients.held();
    assert!(waiting <= 400 + 2 * REPLY_OVERHEAD_BYTES + words * WORD_BYTES_MAX);
}

#[test]
fn a_client_that_asks_on_and_does_not_read_makes_no_more_wait_than_the_bound() {
    let mut clients = Clients::default();
    clients.on_up(AT, "alice");
    for id in 0..10_000 {
        answer(&mut clients, id, 200);
    }
    let Held { waiting, words, .. } = clients.held();
    assert!(words <= WORDS_WAITING_MAX);
    let most = settings().replies_waiting_bytes + WORDS_WAITING_MAX * WORD_BYTES_MAX;
    assert!(waiting <= most, "{waiting} bytes wait");
    assert_eq!(clients.blocked.len(), 1, "it is served once in a turn");
}

#[test]
fn words_for_all_clients_are_bounded_together() {
    let mut clients = Clients::default();
    let settings = Settings { replies_waiting_bytes_total: 0, ..settings() };
    for at in (0..100).map(Connection) {
        clients.on_up(at, "alice");
        for id in 0..WORDS_WAITING_MAX as u64 {
            answer_within(&mut clients, (at, id, 200), &settings);
        }
    }
    assert_eq!(clients.held().words, WORDS_WAITING_MAX_TOTAL);
    let most = WORDS_WAITING_MAX_TOTAL * WORD_BYTES_MAX;
    assert!(clients.held().waiting <= most, "{:?}", clients.held());
}

#[test]
fn what_one_client_has_read_is_room_for_another() {
    let mut clients = Clients::default();
    let total = 250 + REPLY_OVERHEAD_BYTES;
    let settings = Settings { reply_budget_bytes_total: total, ..settings() };
    let other = Connection(8);
    clients.on_up(AT, "alice");
    clients.on_up(other, "bob");
    assert!(matches!(answer_within(&mut clients, (AT, 1, 200), &settings), Answered::Now(_)));
    let second = answer_within(&mut clients, (other, 2, 200), &settings);
    assert!(matches!(second, Answered::Later), "both would be too much");
    let mut outputs = VecDeque::new();
    clients.on_wrote(AT, 10_000, &settings, &mut outputs);
    assert_eq!(leaving(&outputs), [2]);
    clients.on_down(other, &settings, &mut outputs);
    assert_eq!(clients.held(), Held::default());
}

/// Nobody writes any more for one that is gone, so nothing else would set the others free.
#[test]
fn what_a_client_had_that_is_gone_is_room_for_another() {
    let mut clients = Clients::default();
    let total = 250 + REPLY_OVERHEAD_BYTES;
    let settings = Settings { reply_budget_bytes_total: total, ..settings() };
    let other = Connection(8);
    clients.on_up(AT, "alice");
    clients.on_up(other, "bob");
    answer_within(&mut clients, (AT, 1, 200), &settings);
    answer_within(&mut clients, (other, 2, 200), &settings);
    let mut outputs = VecDeque::new();
    clients.on_down(AT, &settings, &mut outputs);
    assert_eq!(leaving(&outputs), [2]);
    clients.on_up(other, "bob");
    assert_eq!(clients.held(), Held::default(), "a connection that is told of twice begins anew");
}

#[test]
fn those_who_do_not_read_leave_room_for_those_who_do() {
    for (hogs, bytes) in [(24, 1 << 20), (24, 1_000), (200, 100_000), (1_000, 100)] {
        let (mut clients, settings) = (Clients::default(), Settings::default());
        let short = settings.reply_share_bytes - REPLY_OVERHEAD_BYTES - 16;
        for at in (0..hogs).map(Connection) {
            clients.on_up(at, "alice");
            while matches!(answer_within(&mut clients, (at, 1, bytes), &settings), Answered::Now(_))
            {
            }
        }
        let reader = Connection(hogs);
        clients.on_up(reader, "bob");
        for id in 0..3 {
            let answered = answer_within(&mut clients, (reader, id, short), &settings);
            assert!(matches!(answered, Answered::Now(_)), "{hogs} of {bytes}: {answered:?}");
            clients.on_wrote(reader, short + 16, &settings, &mut VecDeque::new());
        }
        let shares = usize::try_from(hogs + 1).unwrap() * settings.reply_share_bytes;
        assert!(clients.held().under_way <= settings.reply_budget_bytes_total + shares);
    }
}

/// Others read, and ask for short replies again and again, whose room would never add up.
#[test]
fn a_long_reply_is_not_overtaken_for_ever_by_shorter_ones() {
    const OTHERS: u64 = 8;
    let settings = Settings {
        reply_budget_bytes_total: 2_000,
        reply_budget_bytes: 1_500,
        reply_share_bytes: 0,
        ..Settings::default()
    };
    let (mut clients, reader) = (Clients::default(), Connection(OTHERS));
    (0..=OTHERS).for_each(|at| clients.on_up(Connection(at), "alice"));
    let ask = |clients: &mut Clients, at: u64| {
        for id in 0..20 {
            answer_within(clients, (Connection(at), id, 200), &settings);
        }
    };
    // They fill what is common before the long one is asked for.
    (0..OTHERS).for_each(|at| ask(&mut clients, at));
    let long = answer_within(&mut clients, (reader, 9, 1_000), &settings);
    assert!(matches!(long, Answered::Later), "{long:?}");
    let mut outputs = VecDeque::new();
    for turn in 0.. {
        let at = turn % OTHERS;
        clients.on_wrote(Connection(at), 210, &settings, &mut outputs);
        if leaving(&outputs).contains(&10) {
            break;
        }
        ask(&mut clients, at);
        assert!(turn < 100, "{:?}", clients.held());
    }
}

/// Others read, and never ask for more than their shares take, which together are all there is.
#[test]
fn a_long_reply_leaves_though_others_keep_their_shares_full() {
    const OTHERS: u64 = 8;
    let settings = Settings {
        reply_budget_bytes_total: 2_000,
        reply_budget_bytes: 1_500,
        reply_share_bytes: 300,
        ..Settings::default()
    };
    let (mut clients, reader) = (Clients::default(), Connection(OTHERS));
    (0..=OTHERS).for_each(|at| clients.on_up(Connection(at), "alice"));
    for at in (0..OTHERS).map(Connection) {
        let answered = answer_within(&mut clients, (at, 1, 200), &settings);
        assert!(matches!(answered, Answered::Now(_)), "its share is there");
    }
    let long = answer_within(&mut clients, (reader, 9, 1_200), &settings);
    assert!(matches!(long, Answered::Now(_)), "{long:?} at {:?}", clients.held());
    let another = Connection(OTHERS + 1);
    clients.on_up(another, "bob");
    let longer = answer_within(&mut clients, (another, 2, 1_400), &settings);
    assert!(matches!(longer, Answered::Later), "both are more than is common: {longer:?}");
    let mut outputs = VecDeque::new();
    clients.on_wrote(reader, 2_000, &settings, &mut outputs);
    assert_eq!(leaving(&outputs), [14]);
    for at in (0..OTHERS).map(Connection).chain([another]) {
        clients.on_wrote(at, 2_000, &settings, &mut outputs);
    }
    assert_eq!(clients.held(), Held::default());
}

/// Who goes away while all wait for it lets the others on.
#[test]
fn a_long_reply_whose_client_is_gone_holds_nobody_up() {
    let settings = Settings {
        reply_budget_bytes_total: 1_000,
        reply_budget_bytes: 1_500,
        reply_share_bytes: 0,
        ..Settings::default()
    };
    let (mut clients, reader, other) = (Clients::default(), Connection(8), Connection(9));
    for at in [AT, reader, other] {
        clients.on_up(at, "alice");
    }
    answer_within(&mut clients, (AT, 1, 200), &settings);
    assert!(matches!(answer_within(&mut clients, (reader, 1, 800), &settings), Answered::Later));
    let mut outputs = VecDeque::new();
    clients.on_wrote(AT, 0, &settings, &mut outputs);
    assert!(matches!(answer_within(&mut clients, (other, 1, 200), &settings), Answered::Later));
    clients.on_up(reader, "alice");
    assert!(matches!(answer_within(&mut clients, (reader, 1, 200), &settings), Answered::Now(_)));
    clients.on_wrote(AT, 0, &settings, &mut outputs);
    assert_eq!(leaving(&outputs), [2]);
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
    clients.on_down(AT, &settings(), &mut outputs);
    assert_eq!(clients.held(), Held::default());
    assert!(matches!(answer(&mut clients, 4, 1), Answered::Gone));
}
