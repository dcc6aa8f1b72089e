//! Clients that keep a cluster busy while something happens to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use synod_node::{Outcome, Session};
use synod_shell::Counter;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long an operation takes at most where nothing else is asked for, as in `synod-kv`.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// Sessions that have one command applied after the other.
pub(crate) struct Load {
    tasks: JoinSet<Done>,
    is_over: Arc<AtomicBool>,
}

/// What became of the commands of one or more sessions.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) applied: u64,
    pub(crate) failed: Vec<Outcome>,
    pub(crate) longest: Duration,
}

impl Load {
    /// Begins, each command with the default timeout.
    pub(crate) fn begin(sessions: Vec<Session>) -> Self {
        let (mut tasks, is_over) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        for session in sessions {
            let is_over = Arc::clone(&is_over);
            tasks.spawn(async move {
                let mut done = Done::default();
                while !is_over.load(Ordering::Relaxed) {
                    let begin = Instant::now();
                    match session.command(Counter::asking(8), TIMEOUT).await {
                        Outcome::Ok(_) => done.applied += 1,
                        other @ (Outcome::NotApplied(_) | Outcome::Unknown(_)) => {
                            done.failed.push(other)
                        }
                    }
                    done.longest = done.longest.max(begin.elapsed());
                    // A client that thinks a little, so that virtual seconds stay affordable.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                done
            });
        }
        Self { tasks, is_over }
    }

    /// Ends, and says what became of all commands.
    pub(crate) async fn end(mut self) -> Done {
        self.is_over.store(true, Ordering::Relaxed);
        let mut sum = Done::default();
        while let Some(done) = self.tasks.join_next().await {
            let done = done.unwrap();
            sum.applied += done.applied;
            sum.failed.extend(done.failed);
            sum.longest = sum.longest.max(done.longest);
        }
        sum
    }
}
