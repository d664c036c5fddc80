//! Several mounts of one server, one after the other or at the same time.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

use crate::mounted::{BUCKET, Folder, driver, send};
use crate::support::s3::Server;

/// A test server that has the bucket.
pub(crate) fn server() -> Server {
    let server = Server::start();
    server.store().bucket(BUCKET);
    server
}

/// A driver that runs, and its folder. [`Mount::end`] ends it as a user would.
pub(crate) struct Mount {
    driver: Child,
    folder: Folder,
    said: Option<JoinHandle<Vec<String>>>,
}

impl Mount {
    /// Mounts what is on this server. Messages of the driver are those of its worst day only, so nothing is expected.
    pub(crate) fn of(server: &Server) -> Self {
        let folder = Folder::new();
        let mut command = driver(server);
        command.args(["mount", "--foreground"]).arg(folder.path()).stderr(Stdio::piped());
        let mut driver = command.spawn().expect("the driver can be started");
        let mut lines = BufReader::new(driver.stderr.take().expect("it is piped")).lines();
        let first = lines.next().and_then(Result::ok).unwrap_or_default();
        assert!(first.starts_with("[fusion] mounted at "), "no mount: {first}");
        let said = thread::spawn(move || lines.map_while(Result::ok).collect());
        Self { driver, folder, said: Some(said) }
    }

    /// The bucket's folder.
    pub(crate) fn bucket(&self) -> PathBuf {
        self.folder.path().join(BUCKET)
    }

    /// Ends the driver by SIGTERM, and asserts that everything written is in S3.
    #[track_caller]
    pub(crate) fn end(mut self) {
        send("TERM", self.driver.id());
        let status = self.driver.wait().expect("it is our child");
        let said = self.said.take().map(|said| said.join().expect("it only reads")).unwrap_or_default();
        assert!(status.success(), "the driver ended with {status} and said {said:#?}");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Some(said) = self.said.take() {
            // The test has failed. Whoever still waits for the mount gets an error.
            let _ = self.driver.kill();
            let _ = self.driver.wait();
            eprintln!("the driver said {:#?}", said.join().unwrap_or_default());
        }
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).stderr(Stdio::null()).status();
    }
}
