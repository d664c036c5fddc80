//! `sqlite3`: a database on the mount, with its journal beside it.

use super::mount::{Mount, server};
use super::tools::Tool;

fn sqlite(mount: &Mount, statements: &str) -> String {
    let file = mount.bucket().join("data.sqlite");
    let tool = Tool::new("sqlite3", 120).args(["-batch".as_ref(), "-bail".as_ref(), file.as_os_str()]);
    tool.args([statements]).succeeds()
}

/// Rows that take some pages, inserted by one transaction.
const ROWS: &str = "
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO t SELECT i, hex(randomblob(200)) FROM n;";

#[test]
fn a_database_is_whole_after_each_transaction_and_on_the_next_mount() {
    let server = server();
    let mount = Mount::of(&server);
    sqlite(&mount, "CREATE TABLE t(i INTEGER PRIMARY KEY, x TEXT); CREATE INDEX tx ON t(x);");
    sqlite(&mount, ROWS);
    sqlite(&mount, "BEGIN; DELETE FROM t WHERE i % 3 = 0; ROLLBACK; UPDATE t SET x = i WHERE i <= 100;");
    let query = "PRAGMA integrity_check; SELECT count(*), sum(i), sum(length(x)) FROM t;";
    // 1900 rows of 400 digits, and the numbers 1 to 100.
    let expected = "ok\n2000|2001000|760192\n";
    assert_eq!(sqlite(&mount, query), expected);
    mount.end();
    let mount = Mount::of(&server);
    assert_eq!(sqlite(&mount, query), expected);
    assert_eq!(
        sqlite(&mount, "PRAGMA mmap_size = 268435456; SELECT count(*) FROM t WHERE x > ''"),
        "268435456\n2000\n"
    );
    sqlite(&mount, "VACUUM; DROP INDEX tx; DELETE FROM t WHERE i > 1000;");
    assert_eq!(sqlite(&mount, "PRAGMA integrity_check; SELECT count(*) FROM t;"), "ok\n1000\n");
    mount.end();
    let names = server.store().keys(crate::mounted::BUCKET);
    assert_eq!(names, ["data.sqlite"], "a journal is left over");
}
