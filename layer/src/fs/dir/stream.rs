//! The pages of a folder, one after the other.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::fs::Fs;
use crate::fs::attr::Moment;
use crate::fs::errno::Errno;
use crate::fs::key::Place;
use crate::fs::key::SYMLINKS;
use crate::fs::listing::{Extent, Listing, Page};
use crate::fs::symlink::Links;
use crate::notice;
use crate::s3::List;

/// Pages of a folder that is too large to be kept whole.
const FEW: usize = 4;

/// The pages around the place where a folder is read.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pages: VecDeque<Arc<Page>>,
    /// Number of the first item of the first page.
    pub(super) base: u64,
    bytes: usize,
    whole: bool,
    pub(super) checked: Moment,
    next: Next,
    hidden: Option<Box<str>>,
    links: bool,
}

/// Where a page begins.
#[derive(Debug)]
enum Begin {
    Start,
    /// Behind a page that has given this token, with the folder's links.
    Token(Box<str>, Links),
    After(Box<str>),
}

/// A page, and where the next one begins.
type Fetched = Result<(Page, Option<Begin>), Errno>;

#[derive(Debug, Default)]
enum Next {
    #[default]
    Start,
    Pending(JoinHandle<Fetched>),
    End,
}

impl Drop for Next {
    fn drop(&mut self) {
        if let Self::Pending(task) = self {
            task.abort();
        }
    }
}

impl Fs {
    async fn fetch_page(self: Arc<Self>, place: Place, from: Begin) -> Fetched {
        let mut list = List { prefix: &place.key, delimiter: Some("/"), ..List::default() };
        let after;
        match &from {
            Begin::Start => {}
            Begin::Token(token, _) => list.continuation = Some(token),
            Begin::After(name) => {
                after = format!("{}{name}", place.key);
                list.start_after = Some(&after);
            }
        }
        let checked = self.clock.now();
        let listing = self.client.list(&place.bucket, list).await?;
        let mut page = Page::of(&place.key, &listing);
        // The list of links is on one page only, and may be named behind the links.
        let links = match (&page.links, from) {
            (Some(etag), _) => self.links_of_version(&place, etag, checked).await?,
            (None, Begin::Token(_, links)) => links,
            (None, Begin::Start) if listing.next.is_none() || reaches(&listing, &place, SYMLINKS) => {
                Links::default()
            }
            (None, Begin::Start | Begin::After(_)) => self.links(&place).await?,
        };
        page.mark_links(&links);
        for name in page.undecided(&place.key, &listing) {
            let prefix = format!("{}{name}/", place.key);
            let list = List { prefix: &prefix, max_keys: Some(1), ..List::default() };
            let below = self.client.list(&place.bucket, list).await?;
            if !below.objects.is_empty() || !below.prefixes.is_empty() {
                page.remove(&name);
            }
        }
        Ok((page, listing.next.map(|token| Begin::Token(token, links))))
    }

    /// Lists a whole folder before anybody has asked, unless it has more than one page.
    pub(in crate::fs) async fn list_ahead(self: Arc<Self>, place: Place) {
        let checked = self.clock.now();
        if let Ok((page, None)) = Arc::clone(&self).fetch_page(place.clone(), Begin::Start).await {
            if page.links.is_none() {
                self.no_links(&place, checked);
            }
            self.keep_page(place, page, checked, Extent::Foreseen);
        }
    }

    /// Lists the names of a folder that come after one.
    pub(in crate::fs) async fn list_after(self: Arc<Self>, place: Place, name: Box<str>) {
        let checked = self.clock.now();
        if let Ok((page, _)) = Arc::clone(&self).fetch_page(place.clone(), Begin::After(name)).await {
            self.keep_page(place, page, checked, Extent::Part);
        }
    }

    fn keep_page(&self, place: Place, page: Page, checked: Moment, extent: Extent) {
        let pages = if page.items.is_empty() { Vec::new() } else { vec![Arc::new(page)] };
        self.listings.keep(place, Listing { pages, checked, extent });
    }
}

/// Whether a page goes as far as a name of its folder.
fn reaches(listing: &crate::s3::Listing, folder: &Place, name: &str) -> bool {
    let last = listing.objects.last().map(|object| &*object.key);
    let last = last.max(listing.prefixes.last().map(|key| &**key));
    last.and_then(|last| last.strip_prefix(&*folder.key)).is_some_and(|last| last >= name)
}

impl Stream {
    /// A folder that is listed already.
    pub(super) fn of(listing: &Listing) -> Self {
        Self {
            pages: listing.pages.iter().cloned().collect(),
            checked: listing.checked,
            next: Next::End,
            ..Self::default()
        }
    }

    /// The page that holds an item, and the number of its first.
    pub(super) fn page_at(&self, number: u64) -> Option<(Arc<Page>, u64)> {
        let mut first = self.base;
        for page in &self.pages {
            let end = first + page.items.len() as u64;
            if number < end {
                return Some((Arc::clone(page), first));
            }
            first = end;
        }
        None
    }

    /// True if there is nothing to wait for.
    pub(super) fn is_ready(&self) -> bool {
        match &self.next {
            Next::Start => false,
            Next::Pending(task) => task.is_finished(),
            Next::End => true,
        }
    }

    /// Takes the next page and asks for the one after it. False if there is none.
    pub(super) async fn advance(&mut self, fs: &Arc<Fs>, place: &Place) -> Result<bool, Errno> {
        let ask = |from| Next::Pending(tokio::spawn(Arc::clone(fs).fetch_page(place.clone(), from)));
        if let Next::Start = self.next {
            if fs.ahead.wait(place).await
                && let Some(listing) = fs.listings.get(place).filter(|known| known.is_current(fs.clock.now()))
            {
                *self = Self::of(&listing);
                return Ok(true);
            }
            fs.listings.renew(place);
            *self = Self { whole: true, checked: fs.clock.now(), next: ask(Begin::Start), ..Self::default() };
        }
        let Next::Pending(task) = &mut self.next else { return Ok(false) };
        let fetched = task.await.unwrap_or(Err(Errno::EIO));
        let (page, next) = match fetched {
            Ok(fetched) => fetched,
            Err(error) => {
                // Whoever asks again asks anew.
                *self = Self::default();
                return Err(error);
            }
        };
        self.next = next.map_or(Next::End, ask);
        self.take(fs, page);
        if let Next::End = self.next {
            self.finish(fs, place);
        }
        Ok(true)
    }

    fn take(&mut self, fs: &Fs, page: Page) {
        self.links |= page.links.is_some();
        if self.hidden.is_none() {
            self.hidden = page.hidden.clone();
        }
        if page.items.is_empty() {
            return;
        }
        self.bytes += page.bytes();
        self.pages.push_back(Arc::new(page));
        self.whole &= self.bytes <= fs.listings.limit();
        while !self.whole && self.pages.len() > FEW {
            let page = self.pages.pop_front().expect("there are more than few");
            self.base += page.items.len() as u64;
        }
    }

    /// The folder has been read to its end: tells of what is hidden, and keeps the listing.
    fn finish(&mut self, fs: &Fs, place: &Place) {
        if let Some(key) = &self.hidden
            && fs.first_time_hidden(place)
        {
            notice::say(format_args!(
                "s3://{}/{}: some keys are hidden, as no file can have their names, {key:?} for one; \
                 rename them to see them",
                place.bucket, place.key
            ));
        }
        if !self.links {
            fs.no_links(place, self.checked);
        }
        if self.whole {
            let pages = self.pages.iter().cloned().collect();
            fs.listings.keep(place.clone(), Listing { pages, checked: self.checked, extent: Extent::Whole });
        }
    }
}
