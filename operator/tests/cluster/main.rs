//! The operator's own program, with its own account and rights, against a real API server.
//!
//! `KUBETEST` names the directory with `kubetest`, or `operator/kubetest/build` has made one. Without it
//! the tests are reported as ignored, and fail where `CI` is set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
#![allow(clippy::print_stderr, reason = "a test harness reports on standard error")]
#![expect(unreachable_pub, reason = "modules of a test program do not have users outside")]

mod audit;
mod definition;
mod election;
mod faults;
mod harness;
mod install;
mod keys;
mod kills;
mod lifecycle;
mod migration;
mod operation;
mod ownership;
mod proxy;
mod races;
mod scale;
mod throttle;
mod watches;

use libtest_mimic::{Arguments, Trial};

use harness::{Server, Test};

fn main() -> std::process::ExitCode {
    let mut arguments = Arguments::from_args();
    // Most of the time is waiting; more at once is more than a small computer's server can answer.
    arguments.test_threads.get_or_insert(4);
    let tests: Vec<Test> = [
        lifecycle::TESTS,
        ownership::TESTS,
        keys::TESTS,
        definition::TESTS,
        operation::TESTS,
        election::TESTS,
        throttle::TESTS,
        watches::TESTS,
        scale::TESTS,
        races::TESTS,
        install::TESTS,
    ]
    .concat();
    let own_server: Vec<(&str, fn())> =
        [faults::TESTS, kills::TESTS, scale::OWN_SERVER, install::OWN_SERVER, migration::TESTS, audit::TESTS]
            .concat();
    let Some(kubetest) = harness::kubetest() else {
        if std::env::var_os("CI").is_some() {
            eprintln!("kubetest is missing: run operator/kubetest/build");
            return std::process::ExitCode::FAILURE;
        }
        let names = tests.iter().map(|(name, _)| *name).chain(own_server.iter().map(|(name, _)| *name));
        let trials = names.map(|name| Trial::test(name, || Ok(())).with_ignored_flag(true)).collect();
        eprintln!("skipped: kubetest is missing: run operator/kubetest/build");
        return libtest_mimic::run(&arguments, trials).exit_code();
    };
    let needs_server = !arguments.list;
    let server: Option<&'static Server> =
        needs_server.then(|| Box::leak(Box::new(Server::start(&kubetest, &[]))) as &'static Server);
    let shared = tests.into_iter().map(|(name, test)| {
        let lacks_helm = name.contains("::helm_") && std::env::var_os("HELM").is_none();
        Trial::test(name, move || {
            test(server.expect("the server runs"));
            Ok(())
        })
        .with_ignored_flag(lacks_helm)
    });
    let own = own_server.into_iter().map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, shared.chain(own).collect());
    if let Some(server) = server {
        server.stop();
    }
    conclusion.exit_code()
}
