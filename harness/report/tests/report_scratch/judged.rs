//! Histories that are judged by themselves, and their pages.

use std::path::Path;

use synod_checker::budget::Meter;
use synod_checker::{Budget, Report, Rules, check_by_rules};
use synod_history::import::Format;
use synod_report::{JudgedHistory, Verdict};

/// Judges a text, and writes its page with this verdict; without a text, of what was not read.
pub(crate) fn write(page: &Path, format: Format, verdict: Verdict, text: Option<&str>) {
    let history = text.map(|text| format.read(text, "test").unwrap());
    let found = history.as_ref().map(|history| {
        let rules = Rules::of(format, history);
        let report = check_by_rules(history, &rules, &mut Meter::start(Budget::default()));
        (report, rules.model.name())
    });
    let judged = JudgedHistory {
        file: "/a/<b>&\"history.edn",
        format: format.name(),
        model: found.as_ref().map(|(_, model)| *model),
        verdict,
        reasons: &["for <a> reason".to_owned()],
        history: history.as_ref(),
        violation: found.as_ref().and_then(|(report, _)| Report::violation(report)),
        checker: found.as_ref().map(|(report, _)| &report.checker),
        reproduce: "synod-harness check 'a <file>'",
        version: "1.2.3",
    };
    synod_report::write_judged(page, &judged).unwrap();
}

/// A history of one register with times, in which the last read sees what was overwritten.
pub(crate) const STALE: &str = "\
    {:process 0 :type :invoke :f :write :value 1 :time 4000000}
    {:process 0 :type :ok :f :write :value 1 :time 5000000}
    {:process 1 :type :invoke :f :write :value 2 :time 6000000}
    {:process 1 :type :ok :f :write :value 2 :time 7000000}
    {:process 2 :type :invoke :f :cas :value [1 3] :time 7100000}
    {:process 2 :type :info :f :cas :value [1 3] :time 9000000}
    {:process 3 :type :invoke :f :write :value 9 :time 9100000}
    {:process 3 :type :fail :f :write :value 9 :time 9200000}
    {:process 4 :type :invoke :f :read :value nil :time 9300000}
    {:process 4 :type :ok :f :read :value 1 :time 9400123}
";

/// The same without times.
pub(crate) fn stale_without_times() -> String {
    let end = |line: &str| line.split(" :time").next().unwrap().to_owned() + "}\n";
    STALE.lines().map(end).collect()
}

/// The same on a clock that counts from 1970.
pub(crate) fn stale_since_1970() -> String {
    STALE.replace(":time ", ":time 179534172300")
}
