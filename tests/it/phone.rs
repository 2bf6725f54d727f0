//! Numbers as CRMs send them, against Google's metadata (the table says what PyPI's phonenumbers 9.0.43 made of them).

use serri_relay::map::phone::normalise;

#[test]
fn numbers_come_out_as_the_reference_says() {
    let table = include_str!("../data/phone.tsv");
    let (mut rows, mut wrong) = (0, Vec::new());
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let input: String = serde_json::from_str(fields[1]).unwrap();
        let expected = fields.get(2).copied().unwrap_or("");
        let given = normalise(&input, fields[0]).unwrap_or_default();
        rows += 1;
        if given != expected {
            wrong.push(format!("{} {input:?}: {given:?} instead of {expected:?}", fields[0]));
        }
    }
    assert!(rows > 3_000);
    assert!(wrong.len() * 500 <= rows, "{} of {rows}: {wrong:#?}", wrong.len());
}
