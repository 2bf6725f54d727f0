//! Numbers as CRMs send them, against Google's metadata (the table says what PyPI's phonenumbers 9.0.43 made of them).

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType};
use serri_relay::phone::{Country, NoNumber, normalise};

#[test]
fn numbers_come_out_as_the_reference_says() {
    let table = include_str!("../data/phone.tsv");
    let (mut rows, mut wrong) = (0, Vec::new());
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let input: String = serde_json::from_str(fields[1]).unwrap();
        let expected = fields.get(2).copied().unwrap_or("");
        let given = normalise(&input, fields[0].parse().ok());
        // of two valid numbers the reference takes the one that is dialled; it is refused
        let is_refused = given == Err(NoNumber::CodeOrNot);
        let given = given.unwrap_or_default();
        rows += 1;
        // a country code after a zero, which the reference refuses, is read
        let is_after_zero =
            expected.is_empty() && input.strip_prefix('0').is_some_and(|full| given == format!("+{full}"));
        if given != expected && !is_after_zero && !is_refused {
            wrong.push(format!("{} {input:?}: {given:?} instead of {expected:?}", fields[0]));
        }
    }
    assert!(rows > 3_000);
    assert!(wrong.len() * 500 <= rows, "{} of {rows}: {wrong:#?}", wrong.len());
}

/// What stands in full takes a shorter way than the parser's; it must lead to the same number.
#[test]
fn a_number_in_full_is_what_the_parser_makes_of_it() {
    let by_the_parser = |text: &str| {
        let number =
            PHONE_NUMBER_UTIL.parse(text, None).ok().filter(|number| PHONE_NUMBER_UTIL.is_valid_number(number));
        number.map(|number| PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164).into_owned())
    };
    // what has its country code twice is read with one
    let is_twice = |text: &str| {
        let once = |n| text.get(1 + n..)?.strip_prefix(text.get(1..=n)?);
        (1..=3).any(|n| once(n).is_some())
    };
    let mut random = fastrand::Rng::with_seed(20_261_122);
    let mut valid = 0;
    for region in PHONE_NUMBER_UTIL.get_supported_regions() {
        for kind in PHONE_NUMBER_UTIL.get_supported_types_for_region(region).into_iter().flatten() {
            let Ok(example) = PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(region, kind) else { continue };
            let example = PHONE_NUMBER_UTIL.format(&example, PhoneNumberFormat::E164).into_owned();
            for _ in 0..30 {
                // the last digits of a valid number at random, and sometimes one more or one less
                let kept = random.usize(4..example.len());
                let more = random.usize(0..example.len() - kept + 2);
                let digits: String = (0..more).map(|_| random.digit(10)).collect();
                let text: String = example.chars().take(kept).chain(digits.chars()).collect();
                let expected = by_the_parser(&text);
                valid += usize::from(expected.is_some());
                assert!(normalise(&text, None).ok() == expected || (expected.is_none() && is_twice(&text)), "{text}");
            }
        }
    }
    assert!(valid > 1_000, "{valid}");
    // and whatever else begins with a plus
    for _ in 0..20_000 {
        let text: String = (0..random.usize(5..17)).map(|_| random.digit(10)).collect();
        let text = format!("+{}{text}", ["", "0", "00", "0091", "091", "01"][random.usize(0..6)]);
        let expected = by_the_parser(&text);
        assert!(normalise(&text, None).ok() == expected || (expected.is_none() && is_twice(&text)), "{text}");
    }
}

/// What a sender leaves out, damages or doubles makes nobody else's number of it.
#[test]
fn a_mobile_number_is_read_as_itself_or_refused_in_every_country() {
    let table = include_str!("../data/phone.tsv");
    let of_table = table.lines().skip(1).step_by(4).filter_map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        Some((fields[0].to_owned(), (*fields.get(2)?).to_owned()))
    });
    let of_metadata = PHONE_NUMBER_UTIL.get_supported_regions().filter_map(|region| {
        let example = PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(region, PhoneNumberType::Mobile).ok()?;
        Some((region.to_string(), PHONE_NUMBER_UTIL.format(&example, PhoneNumberFormat::E164).into_owned()))
    });
    let (mut numbers, mut read, mut wrong) = (0, 0, Vec::new());
    for (region, number) in of_metadata.chain(of_table) {
        let Ok(parsed) = PHONE_NUMBER_UTIL.parse(&number, None) else { continue };
        let is_mobile = PHONE_NUMBER_UTIL.get_number_type(&parsed) == PhoneNumberType::Mobile;
        let country: Option<Country> = region.parse().ok();
        if !is_mobile || country.and_then(Country::calling_code) != Some(parsed.country_code) {
            continue;
        }
        numbers += 1;
        let (code, full) = (parsed.country_code.to_string(), number.trim_start_matches('+'));
        let national = full.strip_prefix(&code).unwrap();
        let (first, rest) = full.split_at(1);
        for form in [
            full.to_owned(),
            format!("'{full}"),
            format!("p:{full}"),
            format!("{full}.0"),
            format!("{first}.{rest}E+{}", rest.len()),
            format!("+{code} {code} {national}"),
            format!("+{code} +{code} {national}"),
            format!("+{code}+{full}"),
            format!("{code}+{full}"),
            format!("+{code} {full}"),
            format!("{code}{full}"),
        ] {
            match normalise(&form, country) {
                Ok(given) if given != number => wrong.push(format!("{region} {form:?}: {given} instead of {number}")),
                Ok(_) => read += 1,
                Err(_) => {}
            }
        }
    }
    assert!(numbers > 300 && read > numbers * 8, "{read} of {numbers}");
    assert!(wrong.is_empty(), "{} of {read}: {wrong:#?}", wrong.len());
}
