//! What the task wrapper of Nextflow does, step by step, with its work directory on the mount.

use crate::mounted::{BUCKET, Mounted};
use crate::support::s3::{Object, Op};

/// The shape of the wrapper: begin, stage in, run the command with both outputs through `tee`, trace, stage out, and
/// the exit code at the very end.
fn wrapper(task: &str, input: &str, scratch: bool) -> String {
    let (work, enter, unstage) = if scratch {
        (
            "$(mktemp -d)",
            "NXF_SCRATCH=$(mktemp -d); cd $NXF_SCRATCH",
            "cp -fRL out.bam out.bam.bai sub \"$NXF_TASK\"/; cd /; rm -rf $NXF_SCRATCH",
        )
    } else {
        ("$NXF_TASK", "cd \"$NXF_TASK\"", ":")
    };
    format!(
        r##"
set -e
NXF_TASK={task}
cd "$NXF_TASK"
bash .command.sh < /dev/null > /dev/null 2>&1 || exit 9
touch .command.begin
: {work}
{enter}
rm -f in.fq
ln -sfn {input} in.fq
test "$(cat in.fq)" = reads
mkdir -p sub
(
  exec 3>&1
  {{
    (
      for n in 1 2 3 4 5; do echo "out $n"; echo "err $n" >&2; done
      head -c 12000000 /dev/zero | tr '\0' 'b' > part.tmp
      mv -f part.tmp out.bam
      for n in $(seq 40); do echo "$n" > sub/$n.txt; done
      printf 'index' > out.bam.bai
    ) 2>&1 1>&3 | tee "$NXF_TASK/.command.err" >&2
  }} | cat
) 3>&1 2>/dev/null | tee "$NXF_TASK/.command.out" > /dev/null
echo 'nextflow.trace/v2' >| "$NXF_TASK/.command.trace"
echo 'realtime=12' >> "$NXF_TASK/.command.trace"
echo 'cpus=1' >> "$NXF_TASK/.command.trace"
ls -1d out.* > /dev/null
{unstage}
cd "$NXF_TASK"
echo 'unstaged' | tee -a .command.out > /dev/null
printf 0 > .exitcode
"##
    )
}

fn run(scratch: bool) {
    let mounted = Mounted::new();
    let store = mounted.server.store();
    store.bucket("data");
    store.put("data", "x/in.fq", Object::of("reads"));
    store.put(BUCKET, "work/aa/bbbb/.command.run", Object::of("#!/bin/bash\n"));
    store.put(BUCKET, "work/aa/bbbb/.command.sh", Object::of("#!/bin/bash -ue\ntrue\n"));
    let input = mounted.root().join("data/x/in.fq");
    let task = mounted.path("work/aa/bbbb");
    let script = wrapper(&task.display().to_string(), &input.display().to_string(), scratch);
    let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{output:?}");

    let text = |name: &str| {
        let body = store.body(BUCKET, &format!("work/aa/bbbb/{name}"));
        String::from_utf8(body.unwrap_or_else(|| panic!("{name} is missing")).to_vec()).unwrap()
    };
    assert_eq!(text(".exitcode"), "0");
    assert_eq!(text(".command.begin"), "");
    assert_eq!(text(".command.out"), "out 1\nout 2\nout 3\nout 4\nout 5\nunstaged\n");
    assert_eq!(text(".command.err"), "err 1\nerr 2\nerr 3\nerr 4\nerr 5\n");
    assert_eq!(text(".command.trace"), "nextflow.trace/v2\nrealtime=12\ncpus=1\n");
    assert_eq!(text("out.bam"), "b".repeat(12_000_000));
    assert_eq!(text("out.bam.bai"), "index");
    (1..=40).for_each(|n| assert_eq!(text(&format!("sub/{n}.txt")), format!("{n}\n")));
    let keys = store.keys(BUCKET);
    assert!(keys.iter().all(|key| !key.contains("part.tmp")), "{keys:?}");
    if scratch {
        assert!(keys.iter().all(|key| !key.contains(".fusion.symlinks")), "{keys:?}");
    } else {
        assert_eq!(text(".fusion.symlinks"), "in.fq");
        assert_eq!(text("in.fq"), input.display().to_string());
    }
    // The exit code came after everything else: the runner reads the outputs when it sees it.
    let requests = mounted.requests();
    let last = requests.iter().rfind(|entry| matches!(entry.op, Op::PutObject | Op::CompleteUpload));
    assert_eq!(last.unwrap().key, "work/aa/bbbb/.exitcode");
    assert!(store.uploads(BUCKET).is_empty());
    let (code, said) = mounted.end();
    assert_eq!((code, said.trim()), (Some(0), ""));
}

#[test]
fn a_task_runs_in_its_work_directory() {
    run(false);
}

#[test]
fn a_task_runs_in_a_scratch_directory() {
    run(true);
}
