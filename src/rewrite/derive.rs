//! Deriving: fetching what a rewrite needs, and nothing else asynchronous in this folder.
//!
//! Leaves first: configs, then manifests, then indexes, so that each digest is known when it is needed.

use super::assemble::{Outcome, reason, rebuild, require, warning};
use super::derivation::{Derivation, Document, Referrer, Untouched};
use super::fields::Doc;
use super::image::{self, is_wanted};
use super::index::{Entry, Replacements};
use super::kind::{Kind, kind};
use super::plan::{Loaded, Plan};
use super::provenance::{self, Subject};
use super::refusal::Refusal;
use super::splice::Spliced;
use super::{config, manifest};
use crate::body::bounded;
use crate::error::Error;
use crate::grant::{Layer, Recipe};
use crate::oci::media::ACCEPT_MANIFESTS;
use crate::oci::{Digest, MediaType, Platform, Reference};
use crate::pull::{Fetch, Image, Verb, What};
use crate::upstream::{Redirects, Upstream};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::{HeaderMap, StatusCode, header};
use std::collections::BTreeMap;
use tower::ServiceExt as _;

/// Documents of one image fetched at a time.
const CONCURRENCY: usize = 4;

/// What `image` becomes under its recipe. Documents are at most `limit` bytes, upstream's and ours.
///
/// Everything fetched is fetched by digest and verified. Fails with 502 `UNAVAILABLE` when upstream's answer is not
/// what the digest, size or `Content-Type` promised, with 400 `MANIFEST_INVALID` when a platform that the recipe names
/// is missing, and with whatever `upstream` fails with. An image that is not changed is no failure here, whoever
/// demands it: see [`Derivation::refusal`].
pub async fn derive(image: &Image, upstream: Upstream, limit: usize) -> Result<Derivation, Error> {
    let source = Source { image: image.clone(), upstream, limit };
    let root = source.document(image.root, None).await?;
    let media = match &root.kind {
        _ if image.recipe.is_empty() => return Ok(root.untouched(Untouched::EmptyRecipe)),
        Err(refusal) => return Ok(root.untouched((*refusal).into())),
        Ok(media) => media.clone(),
    };
    let derivation = if media.is_index() {
        source.index(root, media).await?
    } else if media.is_manifest() {
        source.single(root).await?
    } else if media.is_schema1() {
        root.untouched(Untouched::Schema1)
    } else {
        root.untouched(Untouched::Artifact)
    };
    let Derivation { root, untouched, warning, .. } = &derivation;
    tracing::debug!(base = %image.root, %root, ?untouched, warning, "derived");
    Ok(derivation)
}

#[derive(Clone)]
struct Source {
    image: Image,
    upstream: Upstream,
    limit: usize,
}

/// A document of upstream, verified.
struct Fetched {
    digest: Digest,
    /// `Content-Type`.
    header: Option<MediaType>,
    kind: Kind,
    bytes: Bytes,
}

/// An image of upstream after the recipe.
struct Derived {
    outcome: Outcome,
    documents: BTreeMap<Digest, Document>,
    /// What refers to the new manifest.
    referrer: Option<(Digest, Referrer)>,
    /// The base manifest and what replaces it.
    replacement: Option<(Digest, Spliced)>,
}

impl Source {
    /// A root that is a manifest.
    async fn single(&self, root: Fetched) -> Result<Derivation, Error> {
        let derived = self.changed(&root, None).await?;
        let seen: Vec<Platform> = derived.outcome.platform.iter().cloned().collect();
        let outcomes = [derived.outcome];
        // What is no image we know has no platform to look for.
        if matches!(outcomes[0].left, None | Some(Untouched::Platform)) {
            require(&self.image.recipe, &outcomes, &seen)?;
        }
        let Some((_, manifest)) = derived.replacement else {
            let warning = warning(&self.image.recipe, &outcomes);
            return Ok(Derivation { warning, ..root.untouched(reason(&outcomes)) });
        };
        let (size, documents, mut referrers) = (manifest.size(), derived.documents, BTreeMap::new());
        referrers.extend(derived.referrer);
        Ok(Derivation { root: manifest.digest, size, documents, referrers, ..root.changed() })
    }

    /// A root that is an index.
    async fn index(&self, root: Fetched, media: MediaType) -> Result<Derivation, Error> {
        let recipe = &self.image.recipe;
        let mut plan = Plan::new(Loaded { digest: root.digest, media, bytes: root.bytes.clone() });
        loop {
            let nested = match plan.survey(recipe, self.limit) {
                Ok(nested) if nested.is_empty() => break,
                Ok(nested) => nested,
                Err(refusal) => return Ok(root.untouched(refusal.into())),
            };
            plan.descend(self.all(nested, |source, digest, entry| source.nested(digest, entry)).await?);
        }
        let Plan { levels, images, mut outcomes, mut seen } = plan;
        let (mut replacements, mut documents, mut referrers) =
            (Replacements::new(), BTreeMap::new(), BTreeMap::new());
        // All images are in memory together. The share depends on the index alone, so that the result does.
        let share = self.limit.min(self.limit * super::SHARED_LIMITS / images.len().max(1));
        let source = Source { limit: share, ..self.clone() };
        for derived in source.all(images, |source, digest, entry| source.entry(digest, entry)).await? {
            seen.extend(derived.outcome.platform.clone());
            outcomes.push(derived.outcome);
            documents.extend(derived.documents);
            referrers.extend(derived.referrer);
            replacements.extend(derived.replacement);
        }
        require(recipe, &outcomes, &seen)?;
        let warning = warning(recipe, &outcomes);
        if replacements.is_empty() {
            return Ok(Derivation { warning, ..root.untouched(reason(&outcomes)) });
        }
        if let Err(refusal) = rebuild(&levels, &mut replacements, &mut documents, self.limit) {
            return Ok(root.untouched(refusal.into()));
        }
        let name = self.name();
        let layers: Vec<_> = recipe.layers.iter().collect();
        for index in levels.iter().flatten() {
            let Some(new) = replacements.get(&index.digest) else { continue };
            let subject = Subject { name: &name, media: &index.media, base: index.digest, new };
            referrers.extend([attach(subject, recipe, &layers, &mut documents)]);
        }
        let new = replacements.get(&root.digest).expect("an index with a replaced entry is replaced");
        Ok(Derivation { root: new.digest, size: new.size(), documents, referrers, warning, ..root.changed() })
    }

    /// Runs `fetch` for all entries, a few at a time; results are in the order of the digests.
    async fn all<T, F>(
        &self,
        entries: BTreeMap<Digest, Entry>,
        fetch: impl Fn(Source, Digest, Entry) -> F,
    ) -> Result<Vec<T>, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let tasks: Vec<F> =
            entries.into_iter().map(|(digest, entry)| fetch(self.clone(), digest, entry)).collect();
        stream::iter(tasks).buffered(CONCURRENCY).try_collect().await
    }

    /// An entry that is an index.
    async fn nested(self, digest: Digest, entry: Entry) -> Result<Result<Loaded, Untouched>, Error> {
        let Fetched { kind, bytes, .. } = self.document(digest, Some(entry.size)).await?;
        Ok(match kind {
            Ok(media) if media == entry.media => Ok(Loaded { digest, media, bytes }),
            Ok(_) => Err(Refusal::Announced.into()),
            Err(refusal) => Err(refusal.into()),
        })
    }

    /// An entry that is an image.
    async fn entry(self, digest: Digest, entry: Entry) -> Result<Derived, Error> {
        if entry.size > self.limit as u64 {
            return Ok(Derived::left(entry.platform, Refusal::Size(entry.size as usize)));
        }
        let fetched = self.document(digest, Some(entry.size)).await?;
        match &fetched.kind {
            Ok(media) if *media == entry.media => self.changed(&fetched, entry.platform).await,
            Ok(_) => Ok(Derived::left(entry.platform, Refusal::Announced)),
            Err(refusal) => Ok(Derived::left(entry.platform, *refusal)),
        }
    }

    /// What becomes of the image with this manifest. `platform` is what an index says.
    async fn changed(&self, fetched: &Fetched, platform: Option<Platform>) -> Result<Derived, Error> {
        let recipe = &self.image.recipe;
        let parsed = fetched.kind.clone().map_err(Untouched::from).and_then(|media| {
            let doc = Doc::new(&fetched.bytes, self.limit)?;
            let config = image::config_of(&doc)?;
            let large = config.size > self.limit as u64;
            if large { Err(Refusal::Size(config.size as usize).into()) } else { Ok((media, doc, config)) }
        });
        let (media, manifest, config) = match parsed {
            Ok(parsed) => parsed,
            Err(why) => return Ok(Derived::left(platform, why)),
        };
        let bytes = match self.fetch(What::Blob(config.digest), config.digest, Some(config.size)).await? {
            Ok((_, bytes)) => bytes,
            Err(refusal) => return Ok(Derived::left(platform, refusal)),
        };
        let doc = Doc::new(&bytes, self.limit);
        let (truth, doc) = match doc.and_then(|doc| config::read(&doc).map(|config| (config.platform, doc))) {
            Ok(parsed) => parsed,
            Err(refusal) => return Ok(Derived::left(platform, refusal)),
        };
        if platform.is_none() && !is_wanted(recipe, &truth) {
            return Ok(Derived::left(Some(truth), Untouched::Platform));
        }
        let name = self.name();
        let base = manifest::Base { name: &name, digest: fetched.digest };
        let image = image::Image {
            manifest: &manifest,
            media: &media,
            config: &doc,
            recipe,
            base,
            limit: self.limit,
        };
        let changed = match image.change(&truth) {
            Ok(changed) => changed,
            Err(why) => return Ok(Derived::left(platform.or(Some(truth)), why)),
        };
        let outcome = Outcome { platform: platform.or(Some(truth)), left: None };
        if changed.manifest.bytes == fetched.bytes {
            return Ok(Derived { outcome, documents: BTreeMap::new(), referrer: None, replacement: None });
        }
        let mut documents =
            [file(media.clone(), &changed.manifest), file(config.media, &changed.config)].into();
        let subject = Subject { name: &name, media: &media, base: fetched.digest, new: &changed.manifest };
        let referrer = Some(attach(subject, recipe, &changed.layers, &mut documents));
        Ok(Derived { outcome, documents, referrer, replacement: Some((fetched.digest, changed.manifest)) })
    }

    /// `registry/repository`, as annotations and statements say it.
    fn name(&self) -> String {
        format!("{}/{}", self.image.registry.host, self.image.repository)
    }

    /// A manifest or index, by digest.
    async fn document(&self, digest: Digest, size: Option<u64>) -> Result<Fetched, Error> {
        let what = What::Manifest(Reference::Digest(digest));
        let (header, bytes) = match self.fetch(what, digest, size).await? {
            Ok(verified) => verified,
            Err(refusal) => {
                return Ok(Fetched { digest, header: None, kind: Err(refusal), bytes: Bytes::new() });
            }
        };
        let kind = match Doc::new(&bytes, self.limit) {
            Ok(doc) => kind(header.as_ref(), &doc).map_err(|two| {
                Error::bad_gateway("a document is not of the media type that upstream sends it as")
                    .with_source(format!("Content-Type {}, mediaType {}", two.header, two.field))
            })?,
            Err(refusal) => Err(refusal),
        };
        Ok(Fetched { digest, header, kind, bytes })
    }

    /// Something small, verified: its `Content-Type` and content.
    async fn fetch(
        &self,
        what: What,
        digest: Digest,
        size: Option<u64>,
    ) -> Result<Result<(Option<MediaType>, Bytes), Refusal>, Error> {
        let mut headers = HeaderMap::new();
        let is_manifest = matches!(what, What::Manifest(_));
        if is_manifest {
            headers.insert(header::ACCEPT, ACCEPT_MANIFESTS);
        }
        let Image { registry, repository, access, .. } = self.image.clone();
        let redirects = Redirects::Follow;
        let request = Fetch { registry, repository, what, verb: Verb::Get, headers, access, redirects };
        let response = self.upstream.clone().oneshot(request).await?;
        if response.status() != StatusCode::OK {
            let status = response.status().as_u16();
            return Err(Error::bad_gateway(format!("upstream answered a document with status {status}")));
        }
        let media = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media = media.map(MediaType::parse);
        let bytes = bounded(response.into_body(), self.limit).await?;
        if size.is_some_and(|size| size != bytes.len() as u64) {
            return Err(Error::bad_gateway(format!(
                "{digest} of upstream has not the size that was announced"
            )));
        }
        // The signatures of a schema 1 document are not part of its digest; such an image is left as it is anyway.
        let is_signed = is_manifest && media == Some(MediaType::Schema1Signed);
        match digest.matches(&bytes) {
            _ if is_signed => Ok(Ok((media, bytes))),
            Some(true) => Ok(Ok((media, bytes))),
            Some(false) => Err(Error::bad_gateway(format!("upstream sent something else as {digest}"))),
            None => Ok(Err(Refusal::Unverifiable)),
        }
    }
}

impl Fetched {
    /// The root of an image that stays as it is.
    fn untouched(&self, why: Untouched) -> Derivation {
        Derivation { untouched: Some(why), ..self.changed() }
    }

    /// What the derivation of a changed image has in common with its base.
    fn changed(&self) -> Derivation {
        let unknown = || MediaType::parse("application/octet-stream");
        let media = self.kind.clone().ok().or_else(|| self.header.clone()).unwrap_or_else(unknown);
        Derivation {
            base: self.digest,
            root: self.digest,
            media,
            size: self.bytes.len() as u64,
            documents: BTreeMap::new(),
            referrers: BTreeMap::new(),
            untouched: None,
            warning: None,
        }
    }
}

impl Derived {
    fn left(platform: Option<Platform>, why: impl Into<Untouched>) -> Derived {
        let outcome = Outcome { platform, left: Some(why.into()) };
        Derived { outcome, documents: BTreeMap::new(), referrer: None, replacement: None }
    }
}

/// Adds the provenance of `subject`; what refers to it.
fn attach(
    subject: Subject<'_>,
    recipe: &Recipe,
    layers: &[&Layer],
    documents: &mut BTreeMap<Digest, Document>,
) -> (Digest, Referrer) {
    let made = provenance::provenance(subject, recipe, layers);
    let statement = MediaType::parse(provenance::STATEMENT);
    let referrer = Referrer { digest: made.manifest.digest, size: made.manifest.size() };
    documents.extend([
        file(MediaType::OciManifest, &made.manifest),
        file(statement, &made.statement),
        file(MediaType::parse(provenance::EMPTY), provenance::empty()),
    ]);
    (subject.new.digest, referrer)
}

fn file(media: MediaType, new: &Spliced) -> (Digest, Document) {
    (new.digest, Document { media, bytes: new.bytes.clone() })
}

#[cfg(test)]
mod tests;
