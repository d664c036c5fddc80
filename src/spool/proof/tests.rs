use super::*;
use crate::auth::Access;
use crate::oci::Code;
use std::sync::atomic::{AtomicU32, Ordering};

fn owner(repository: &str) -> Owner {
    Owner {
        access: Access::anonymous().id().clone(),
        registry: Host::docker_hub(),
        repository: repository.parse().unwrap(),
    }
}

#[tokio::test]
async fn upstream_is_asked_once_for_each_blob_repository_and_access() {
    let (proofs, asked) = (Proofs::new(10, Duration::from_secs(60), None), AtomicU32::new(0));
    let ask = || async {
        asked.fetch_add(1, Ordering::Relaxed);
        Ok(Some(7))
    };
    let (one, two) = (Digest::sha256("1"), Digest::sha256("2"));
    let (here, there) = (owner("a/b"), owner("a/c"));
    let other = Owner {
        access: Access::operator(&Host::docker_hub(), crate::upstream::script::alice()).id().clone(),
        ..owner("a/b")
    };
    for (times, owner, digest) in
        [(1, &here, &one), (1, &here, &one), (2, &here, &two), (3, &there, &one), (4, &other, &one)]
    {
        assert_eq!(proofs.prove(owner, digest, ask()).await.unwrap(), Some(7));
        assert_eq!(asked.load(Ordering::Relaxed), times);
    }
    proofs.grant(&there, &two, None).await;
    assert_eq!(proofs.prove(&there, &two, ask()).await.unwrap(), None);
    assert_eq!(asked.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_refusal_is_not_kept_and_a_proof_not_for_ever() {
    let proofs = Proofs::new(10, Duration::from_millis(20), None);
    let (owner, digest) = (owner("a/b"), Digest::sha256("1"));
    let refused = || async { Err(Error::client(Code::BlobUnknown, "no")) };
    assert_eq!(proofs.prove(&owner, &digest, refused()).await.unwrap_err().code(), Code::BlobUnknown);
    assert!(proofs.prove(&owner, &digest, async { Ok(None) }).await.is_ok());
    assert!(proofs.prove(&owner, &digest, refused()).await.is_ok());
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(proofs.prove(&owner, &digest, refused()).await.is_err());
}
