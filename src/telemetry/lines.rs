//! The thread that writes the log. Whoever logs leaves a line; all the lines that are there become one write.
//!
//! No line is lost while the process lives: whoever logs waits while the buffer is full, and what is in it is written before
//! the end and before a panic is reported. A line that the system does not take (a closed pipe, a full disk) is lost without
//! another word. Nothing is formatted, filtered or masked here.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How many bytes may wait, some 1,000 lines. Whoever logs more waits for the thread.
const FULL: usize = 256 * 1_024;

/// How long the thread gathers lines after a write. The first line after a pause is written at once.
const GATHER: Duration = Duration::from_millis(5);

/// How long a panic waits for the lines before it: what cannot be written must not keep it from being reported.
const PANIC_PATIENCE: Duration = Duration::from_secs(1);

/// Where lines are left.
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

/// What the thread shares with those who log.
pub struct Shared {
    state: Mutex<State>,
    /// For the thread: there are lines, or it is to end.
    filled: Condvar,
    /// For those who wait for room, or for their lines to be written.
    written: Condvar,
    /// The thread holds it while it writes; without a thread, whoever logs.
    out: Mutex<Box<dyn Write + Send>>,
}

struct State {
    /// Whole lines that nobody has begun to write.
    waiting: Vec<u8>,
    thread: Thread,
    /// How many wait for [`Shared::written`]. To notify costs a system call, needed or not.
    waiters: usize,
    is_closing: bool,
}

/// What the thread does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Thread {
    /// It has to be woken.
    Asleep,
    /// It gathers, and looks by itself soon.
    Gathering,
    /// It writes, or is about to look.
    Busy,
    /// There is none; whoever logs writes.
    Gone,
}

/// Ends the thread when dropped, once everything is written.
#[must_use = "what is not written yet when it is dropped is written then"]
pub struct LinesGuard {
    lines: Lines,
    thread: Option<JoinHandle<()>>,
}

impl Lines {
    /// Without a thread: each line is written by whoever logs.
    pub fn direct(out: impl Write + Send + 'static) -> (Self, LinesGuard) {
        let lines = Self::new(out, Thread::Gone);
        let guard = LinesGuard { lines: lines.clone(), thread: None };
        (lines, guard)
    }

    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The system's, if it gives no thread.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<(Self, LinesGuard)> {
        let lines = Self::new(out, Thread::Busy);
        let shared = Arc::clone(&lines.0);
        let thread = Builder::new().name("log".into()).spawn(move || shared.run())?;
        let guard = LinesGuard { lines: lines.clone(), thread: Some(thread) };
        Ok((lines, guard))
    }

    fn new(out: impl Write + Send + 'static, thread: Thread) -> Self {
        let state = State { waiting: Vec::new(), thread, waiters: 0, is_closing: false };
        let out: Mutex<Box<dyn Write + Send>> = Mutex::new(Box::new(out));
        Self(Arc::new(Shared { state: Mutex::new(state), filled: Condvar::new(), written: Condvar::new(), out }))
    }

    /// Has everything that was left up to now written before a panic is reported.
    pub fn flush_before_panics(&self) {
        let (shared, report) = (Arc::clone(&self.0), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            shared.flush();
            report(panic);
        }));
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Shared;

    fn make_writer(&'a self) -> &'a Shared {
        &self.0
    }
}

/// Each call is a whole line, or several.
impl Write for &Shared {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.leave(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn leave(&self, line: &[u8]) {
        let mut state = self.lock();
        while state.waiting.len() >= FULL && state.thread != Thread::Gone {
            state = self.wait(self.wake(state));
        }
        if state.thread == Thread::Gone {
            drop(state);
            return self.put(line);
        }
        state.waiting.extend_from_slice(line);
        if state.thread == Thread::Asleep {
            drop(self.wake(state));
        }
    }

    /// Makes the thread look at once.
    fn wake<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if matches!(state.thread, Thread::Asleep | Thread::Gathering) {
            state.thread = Thread::Busy;
            self.filled.notify_one();
        }
        state
    }

    /// Waits until something was written.
    fn wait<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.waiters += 1;
        state = self.written.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.waiters -= 1;
        state
    }

    fn flush(&self) {
        let mut state = self.wake(self.lock());
        let is_left = |state: &mut State| !(state.waiting.is_empty() && state.thread != Thread::Busy);
        state.waiters += 1;
        let waited = self.written.wait_timeout_while(state, PANIC_PATIENCE, is_left);
        waited.unwrap_or_else(PoisonError::into_inner).0.waiters -= 1;
    }

    /// Writes until told to end, and everything there is then.
    fn run(&self) {
        let mut lines = Vec::new();
        while self.take(&mut lines) {
            self.put(&lines);
            lines.clear();
            self.gather();
        }
    }

    /// Takes what is there, and waits for it. False when told to end and nothing is left.
    fn take(&self, lines: &mut Vec<u8>) -> bool {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            state.thread = if state.is_closing { Thread::Gone } else { Thread::Asleep };
            self.tell(&state);
            if state.is_closing {
                return false;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.thread = Thread::Busy;
        std::mem::swap(&mut state.waiting, lines);
        self.tell(&state);
        true
    }

    /// Lets lines come together, unless somebody waits for them.
    fn gather(&self) {
        let mut state = self.lock();
        if state.waiters > 0 || state.is_closing {
            return;
        }
        state.thread = Thread::Gathering;
        let is_unwanted = |state: &mut State| state.thread == Thread::Gathering && !state.is_closing;
        drop(self.filled.wait_timeout_while(state, GATHER, is_unwanted));
    }

    fn tell(&self, state: &State) {
        if state.waiters > 0 {
            self.written.notify_all();
        }
    }

    /// Writes lines. Where one cannot be written it is lost, and the next is tried.
    fn put(&self, mut lines: &[u8]) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        while !lines.is_empty() {
            let done = match out.write(lines) {
                Ok(0) => return,
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::Interrupted => 0,
                Err(_) => lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1),
            };
            lines = lines.get(done..).unwrap_or_default();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LinesGuard {
    fn drop(&mut self) {
        self.lines.0.lock().is_closing = true;
        self.lines.0.filled.notify_one();
        if let Some(thread) = self.thread.take() {
            // a panic there was reported
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// How long to wait for what has to come.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A sink that takes one write for each permit, and any number once the permits' sender is gone.
    struct Slow {
        permits: Receiver<()>,
        writes: Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.permits.recv();
            let _ = self.writes.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A started thread, the permits for its sink, and what the sink was given.
    fn slow() -> (Lines, LinesGuard, Sender<()>, Receiver<Vec<u8>>) {
        let ((permit, permits), (writes, written)) = (channel(), channel());
        let (lines, guard) = Lines::start(Slow { permits, writes }).unwrap();
        (lines, guard, permit, written)
    }

    fn log(lines: &Lines, line: &str) {
        lines.make_writer().write_all(line.as_bytes()).unwrap();
    }

    #[test]
    fn a_line_is_written_at_once_and_those_that_come_meanwhile_together() {
        let (lines, guard, permit, written) = slow();
        permit.send(()).unwrap();
        log(&lines, "first\n");
        assert_eq!(written.recv_timeout(PATIENCE).unwrap(), b"first\n");
        log(&lines, "second\n");
        // the thread may have begun to write some of them
        let later: Vec<String> = (0..500).map(|n| format!("{n}\n")).collect();
        later.iter().for_each(|line| log(&lines, line));
        drop((permit, guard));
        let rest: Vec<Vec<u8>> = written.try_iter().collect();
        assert!(rest.len() <= 2, "{} writes", rest.len());
        assert_eq!(String::from_utf8(rest.concat()).unwrap(), format!("second\n{}", later.concat()));
    }

    #[test]
    fn a_burst_waits_for_a_slow_reader_and_nothing_is_lost_or_out_of_order() {
        // each has more to say than there is room for, twice: what waits, and what is being written
        const LINES: usize = 2 * FULL / 90 + 1;
        let (lines, guard, permit, written) = slow();
        let threads: Vec<JoinHandle<()>> = (0..4)
            .map(|thread| {
                let lines = lines.clone();
                std::thread::spawn(move || {
                    (0..LINES).for_each(|n| log(&lines, &format!("{thread} {n:05} {}\n", "x".repeat(90))));
                })
            })
            .collect();
        while lines.0.lock().waiters < 4 {
            std::thread::yield_now();
        }
        assert!(lines.0.lock().waiting.len() < FULL + 200);
        drop(permit);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        drop(guard);
        let text = String::from_utf8(written.try_iter().collect::<Vec<_>>().concat()).unwrap();
        for thread in 0..4 {
            let own = text.lines().filter_map(|line| line.strip_prefix(&format!("{thread} "))?.split(' ').next());
            assert!(own.map(|n| n.parse::<usize>().unwrap()).eq(0..LINES), "of thread {thread}");
        }
    }

    #[test]
    fn what_was_left_is_written_before_a_flush_returns_and_what_comes_after_the_end_is_written_too() {
        let (lines, guard, permit, written) = slow();
        drop(permit);
        log(&lines, "before\n");
        lines.0.flush();
        assert_eq!(written.try_recv().unwrap(), b"before\n");
        lines.0.flush();
        drop(guard);
        log(&lines, "after\n");
        assert_eq!(written.try_recv().unwrap(), b"after\n");
        lines.0.flush();
    }

    /// A disk that is full for every second line.
    struct Faulty {
        is_full: bool,
        text: Arc<Mutex<String>>,
    }

    impl Write for Faulty {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.is_full = !self.is_full;
            if self.is_full {
                return Err(io::Error::from(ErrorKind::StorageFull));
            }
            let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
            self.text.lock().unwrap().push_str(std::str::from_utf8(&bytes[..end]).unwrap());
            Ok(end)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_cannot_be_written_is_lost_and_no_other() {
        let text = Arc::default();
        let (lines, _guard) = Lines::direct(Faulty { is_full: false, text: Arc::clone(&text) });
        log(&lines, "1\n2\n3\n4\n5");
        assert_eq!(*text.lock().unwrap(), "2\n4\n");
    }
}
