//! Dates as they were met, and what is none.

use proptest::prelude::*;

use super::*;

fn utc(text: &str, order: Option<Order>) -> Result<String, NoMoment> {
    let kolkata: Zone = "Asia/Kolkata".parse().expect("a zone");
    let (at, zone) = Written::read(text, order)?.in_zone(&kolkata);
    Ok(at.to_zoned(zone).expect("in range").timestamp().to_string())
}

#[test]
fn moments_are_read_as_people_and_programs_write_them() {
    for text in [
        "2026-11-26T12:41:02Z",
        "2026-11-26T12:41:02.193Z",
        "2026-11-26T18:11:02+05:30",
        "2026-11-26T18:11:02+0530",
        "2026-11-26T18:11:02.193000+05:30",
        "2026-11-26 18:11:02 +0530",
        "2026-11-26 12:41:02 UTC",
        "2026-11-26T18:11:02",
        "2026-11-26 18:11:02",
        "2026-11-26T18:11:02+05:30[Asia/Kolkata]",
        "20261126T124102Z",
        "2026/11/26 18:11:02",
        "Thu, 26 Nov 2026 12:41:02 GMT",
        "Thursday, 26-Nov-26 12:41:02 GMT",
        "Thu Nov 26 18:11:02 2026",
        "Thu, 26 Nov 2026 18:11:02 +0530",
        "Thu Nov 26 2026 18:11:02 GMT+0530 (India Standard Time)",
        "26 Nov 2026 18:11:02",
        "26-Nov-2026 18:11:02",
        "26-Nov-2026, 6:11:02 PM",
        "Nov 26, 2026 6:11:02 PM",
        "November 26, 2026 at 6:11:02 pm",
        "Thursday, November 26th, 2026, 6:11:02 p.m.",
        "26th November 2026 18:11:02",
        "26 de noviembre de 2026 18:11:02",
        "26 de novembro de 2026 às 18:11:02",
        "26 novembre 2026 18:11:02",
        "26. November 2026 um 18:11:02 Uhr",
        "26 नवंबर 2026 18:11:02",
        "26 Nov 2026 6:11:02 PM IST",
        "26 Nov 2026, 18:11:02 ist",
        "Thu Nov 26 18:11:02 IST 2026",
        "2026-11-26 18:11:02 +0530 IST",
        "26/11/2026 7:41:02 AM EST",
        "2026-11-26 04:41:02 PST",
        "26 Nov 2026 13:41:02 CET",
        "२६/११/२०२६ १८:११:०२",
        "२६ नवंबर २०२६ १८:११:०२",
        "٢٦\u{200f}/١١\u{200f}/٢٠٢٦ ١٨:١١:٠٢",
        "۲۰۲۶-۱۱-۲۶ ۱۸:۱۱:۰۲",
        "２０２６／１１／２６　１８：１１：０２",
        "\u{200e}11/26/2026 6:11:02\u{202f}PM",
        "१७९५६९६८६२",
        "26 نوفمبر 2026 18:11:02",
        "26/11/2026 18:11:02",
        "11/26/2026 6:11:02 PM",
        "26.11.2026 18:11:02",
        "2026 - 11 - 26 18:11:02",
        "20261126181102",
        "1795696862",
        "1795696862000",
        "1795696862193",
        "1795696862193000",
        "1795696862.193",
    ] {
        assert_eq!(utc(text, None).as_deref().map(|at| at.get(..19)), Ok(Some("2026-11-26T12:41:02")), "{text}");
    }
}

#[test]
fn days_are_read_without_a_time() {
    for text in [
        "2026-11-26",
        "20261126",
        "26/11/2026",
        "11/26/2026",
        "26 Nov 2026",
        "Nov 26, 2026",
        "2026 - 11 - 26",
        "26-11-26",
    ] {
        assert_eq!(utc(text, None).as_deref(), Ok("2026-11-25T18:30:00Z"), "{text}");
        assert!(!Written::read(text, None).expect("a day").has_time(), "{text}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_not_guessed() {
    for text in ["03/04/2026", "3-4-2026 10:00", "03.04.2026", "1/2/26"] {
        assert!(matches!(utc(text, None), Err(NoMoment::Ambiguous { .. })), "{text}: {:?}", utc(text, None));
    }
    for (order, day) in [(Order::DayMonthYear, "2026-04-03T04:30:00Z"), (Order::MonthDayYear, "2026-03-04T04:30:00Z")] {
        assert_eq!(utc("03/04/2026 10:00", Some(order)).as_deref(), Ok(day));
    }
    assert_eq!(utc("03/04/05 10:00", Some(Order::YearMonthDay)).as_deref(), Ok("2003-04-05T04:30:00Z"));
    // the 4th of April either way
    assert_eq!(utc("04/04/2026 10:00", None).as_deref(), Ok("2026-04-04T04:30:00Z"));
    assert_eq!(utc("15-Aug-85", None).as_deref(), Ok("1985-08-14T18:30:00Z"));
    assert_eq!(utc("2026-11-26T10:00-08:00", None).as_deref(), Ok("2026-11-26T18:00:00Z"));
    // an order that cannot be is not replaced by another
    assert!(utc("11/26/2026", Some(Order::DayMonthYear)).is_err());
}

#[test]
fn what_is_no_moment_is_refused() {
    for text in [
        "",
        "-",
        "tomorrow",
        "next Tuesday",
        "10:00",
        "26 Nov",
        "Nov 2026",
        "32/13/2026",
        "31/02/2026",
        "2026-02-30",
        "25:00",
        "2026-11-26 18:61",
        "26 Nov 2026 13:00 PM",
        "26 Blub 2026",
        "26/11/2026 18:11 +99:00",
        "26/11/2026 IST",
        "26/11/2026 18:11 BST",
        "26/11/2026 18:11 IST EST",
        "26/11/2026 18:11 +0400 IST",
        "26/11/2026 18:11 XYZ",
        "1/2/3/4",
        "26 Nov Dec 2026",
        "+05:30",
        "2026-11-26 10:00 11:00",
        "99999999999999999999",
        "46352",
        "2026",
        "0",
        "26.11",
        "20261399000000",
        "26/11/2027 10:00-11:00",
        "26/11/2027 10:00-1100",
        "26 Nov 2026 (6:30 PM)",
    ] {
        assert!(utc(text, None).is_err(), "{text}: {:?}", utc(text, None));
    }
    assert!(utc(&"1/".repeat(1_000_000), None).is_err());
}

proptest! {
    #[test]
    fn nothing_panics(text in "\\PC{0,60}|[0-9A-Za-z:/+. -]{0,40}") {
        let _ = utc(&text, None);
        let _ = utc(&text, Some(Order::DayMonthYear));
    }

    #[test]
    fn a_day_in_a_known_order_is_that_day(year in 2000..2100_i16, month in 1..=12_i8, day in 1..=28_i8) {
        let expected = Date::new(year, month, day).expect("a day").to_datetime(Time::midnight());
        for (text, order) in [
            (format!("{day:02}/{month:02}/{year}"), Order::DayMonthYear),
            (format!("{month}-{day}-{year}"), Order::MonthDayYear),
            (format!("{year}.{month}.{day}"), Order::YearMonthDay),
        ] {
            prop_assert_eq!(Written::read(&text, Some(order)).expect("a day").at, expected);
        }
    }
}
