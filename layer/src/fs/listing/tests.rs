use std::time::SystemTime;

use super::*;

fn listed(keys: &[&str], prefixes: &[&str], next: Option<&str>) -> s3::Listing {
    let object = |key: &&str| s3::Listed {
        key: (*key).into(),
        size: 1,
        etag: s3::Etag::new(&format!("\"{key}\"")),
        modified: SystemTime::UNIX_EPOCH,
        archived: false,
    };
    s3::Listing {
        objects: keys.iter().map(object).collect(),
        prefixes: prefixes.iter().map(|prefix| (*prefix).into()).collect(),
        next: next.map(Box::from),
        unreadable: 0,
    }
}

fn names(page: &Page) -> Vec<&str> {
    page.items.iter().map(Item::name).collect()
}

fn page(items: &[&str]) -> Arc<Page> {
    let (folders, files): (Vec<&str>, Vec<&str>) = items.iter().partition(|item| item.ends_with('/'));
    Arc::new(Page::of("", &listed(&files, &folders, None)))
}

fn listing(pages: &[&[&str]], checked: Moment) -> Listing {
    Listing { pages: pages.iter().map(|items| page(items)).collect(), checked, extent: Extent::Whole }
}

#[test]
fn a_page_holds_names_in_the_order_of_s3() {
    let page = Page::of("d/", &listed(&["d/", "d/a", "d/a-b", "d/z"], &["d/a/", "d/m/"], None));
    assert_eq!(
        names(&page),
        ["a-b", "a", "m", "z"],
        "the marker is left out, and the folder hides its object"
    );
    assert_eq!(page.items[1].kind, Kind::Directory);
    assert_eq!(page.items[0].etag(), Some(s3::Etag::new("\"d/a-b\"")));
}

#[test]
fn a_page_says_what_it_hides_and_that_there_are_links() {
    let page = Page::of("", &listed(&["ok", ".fusion.symlinks", ".."], &["/"], None));
    assert_eq!(names(&page), ["ok"]);
    assert!(page.hidden.is_some() && page.links.is_some());
}

#[test]
fn objects_may_be_hidden_by_the_next_page() {
    let ends = listed(&["p/a", "p/a-1", "p/b", "p/b-1"], &[], Some("more"));
    assert_eq!(Page::of("p/", &ends).undecided("p/", &ends), [Box::from("b")]);
    let last = listed(&["p/b", "p/b-1"], &[], None);
    assert!(Page::of("p/", &last).undecided("p/", &last).is_empty());
    let clear = listed(&["p/b", "p/b0"], &[], Some("more"));
    assert!(Page::of("p/", &clear).undecided("p/", &clear).is_empty());
}

#[test]
fn every_name_is_found_and_no_other() {
    let listing = listing(&[&["a", "a-b"], &["a/", "b", "c/"], &["d"]], Moment::default());
    for (name, kind) in [
        ("a", Kind::Directory),
        ("a-b", Kind::File),
        ("b", Kind::File),
        ("c", Kind::Directory),
        ("d", Kind::File),
    ] {
        assert_eq!(listing.find(name).map(|item| item.kind), Some(kind), "{name}");
    }
    for name in ["", "a-", "bb", "c-", "e", "0"] {
        assert!(listing.find(name).is_none(), "{name}");
    }
    let after = listing.after(listing.position("b").unwrap());
    assert_eq!(after.map(|(_, item)| item.name()).collect::<Vec<_>>(), ["c", "d"]);
}

#[test]
fn listings_answer_while_they_are_young() {
    let clock = Clock::start();
    let listings = Listings::new(clock, 1 << 20);
    let folder = Place::of(&["b", "f"], true);
    let ask = |name| listings.lookup(&folder, name, Time(0));
    assert!(matches!(ask("a"), Answer::Unknown));
    listings.keep(folder.clone(), listing(&[&["a"]], clock.now()));
    assert!(matches!(ask("a"), Answer::Found(found) if found.valid == Validity::Listed));
    assert!(matches!(ask("x"), Answer::Absent));
    assert!(listing(&[], clock.now()).is_current(clock.now()));
    assert!(!listing(&[], Moment::LONG_AGO).is_current(clock.now()));
}

#[test]
fn a_listing_from_before_a_change_is_not_kept() {
    let clock = Clock::start();
    let listings = Listings::new(clock, 1 << 20);
    let folder = Place::of(&["b", "f"], true);
    let before = clock.now();
    listings.keep(folder.clone(), listing(&[&["a"]], before));
    assert_eq!(listings.validity(&folder), Validity::Listed);
    listings.changed(&folder);
    assert!(listings.get(&folder).is_none());
    assert_eq!(listings.validity(&folder), Validity::Asked);
    listings.keep(folder.clone(), listing(&[&["a"]], before));
    assert!(listings.get(&folder).is_none());
}

#[test]
fn the_oldest_listings_go_when_there_are_too_many() {
    let clock = Clock::start();
    let listings = Listings::new(clock, 1000);
    let folder = |n: u32| Place::of(&["b", &n.to_string()], true);
    (0..100).for_each(|n| listings.keep(folder(n), listing(&[&["a", "b", "c"]], clock.now())));
    let kept = (0..100).filter(|&n| listings.get(&folder(n)).is_some()).count();
    assert!((1..=5).contains(&kept), "{kept}");
    assert!(listings.get(&folder(99)).is_some());
    let many: Vec<String> = (0..100).map(|n| format!("{n:03}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    listings.keep(folder(99), listing(&[&many], clock.now()));
    assert!(
        listings.get(&folder(99)).is_some_and(|listing| listing.find("050").is_none()),
        "too large to keep"
    );
}

#[test]
fn a_part_says_nothing_of_other_names() {
    let clock = Clock::start();
    let listings = Listings::new(clock, 1 << 20);
    let folder = Place::of(&["b", "f"], true);
    listings.keep(folder.clone(), Listing { extent: Extent::Part, ..listing(&[&["m", "n"]], clock.now()) });
    assert!(matches!(listings.lookup(&folder, "n", Time(0)), Answer::Found(_)));
    assert!(matches!(listings.lookup(&folder, "a", Time(0)), Answer::Unknown));
    assert!(!listings.get(&folder).unwrap().is_current(clock.now()), "it does not stand for the folder");
}

#[test]
fn ascending_lookups_are_noticed() {
    let listings = Listings::new(Clock::start(), 1 << 20);
    let folder = Place::of(&["b", "f"], true);
    let ascending: Vec<bool> = (0..20).map(|n| listings.missed(&folder, &format!("{n:02}"))).collect();
    assert_eq!(ascending.iter().filter(|&&enough| enough).count(), 2, "{ascending:?}");
    assert!((0..20).rev().all(|n| !listings.missed(&folder, &format!("{n:02}"))));
}
