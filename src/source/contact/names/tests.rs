//! How the names of fields are read, as forms and systems spell them.

use super::*;

fn key(name: &str) -> Option<&'static str> {
    part_of(name).map(|(part, _)| part.key())
}

#[test]
fn every_line_of_the_list_is_read_and_no_name_stands_for_two_parts() {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let mut parts: HashMap<String, &str> = HashMap::new();
    for line in lines {
        let columns: Vec<&str> = line.split('\t').collect();
        let [part, _, names] = columns.as_slice() else { panic!("three columns: {line}") };
        assert!(ContactPart::ALL.iter().any(|known| known.key() == *part), "{line}");
        for name in names.split('|') {
            assert_eq!(key(name), Some(*part), "{name}");
            let other = *parts.entry(fold(name)).or_insert(part);
            assert_eq!(other, *part, "{name}");
        }
    }
    assert!(parts.len() > 700, "{}", parts.len());
}

#[test]
fn a_name_is_known_however_a_form_spells_it() {
    for (part, names) in [
        (
            "phone",
            &[
                "PHONE",
                " Phone ",
                "phone_number",
                "phoneNumber",
                "Phone No.",
                "phone1",
                "phone_2",
                "your-phone",
                "Your Phone*",
                "Phone (required)",
                "Phone - required",
                "Phone (with country code)",
                "Mobile (10 digits)",
                "Mobile Number (WhatsApp)",
                "No Label phone",
                "q5_phoneNumber5",
                "q12_whatsappNumber",
                "input_phone",
                "customer[phone]",
                "contact.mobile",
                "billing_phone",
                "User Phone",
                "WhatsApp Number ",
                "WHATSAPP",
                "whatsapp_number",
                "What is your WhatsApp number?",
                "Please enter your mobile number",
                "May we have your phone number?",
                "INPUT_PHONE_NUMBER",
                "control_phone",
                "tel-123",
                "tel",
                "Telefonnummer",
                "TELÉFONO",
                "Téléphone :",
                "Tu teléfono",
                "Número de WhatsApp",
                "मोबाइल नंबर",
                "رقم الجوال",
                "No. HP",
                "Nomor WhatsApp",
            ][..],
        ),
        ("name", &["Name", "your-name", "FULL_NAME", "full name", "customer_name", "Vor- und Nachname", "नाम", "الاسم"]),
        (
            "first_name",
            &["firstName", "First Name", "fname", "Prénom", "Vorname", "contact[first_name]", "q3_firstName"],
        ),
        ("last_name", &["lastName", "Surname", "Apellidos", "Nachname", "nom"]),
        (
            "email",
            &[
                "E-Mail",
                "EMAIL",
                "your-email",
                "Email address",
                "email_id",
                "correo electrónico",
                "ईमेल",
                "البريد الإلكتروني",
            ],
        ),
    ] {
        for name in names {
            assert_eq!(key(name), Some(part), "{name}");
        }
    }
}

#[test]
fn a_place_is_known_however_a_form_spells_it() {
    for (part, names) in [
        ("country", &["Country", "país", "Pays", "देश", "country iso", "Country/Region"][..]),
        (
            "calling_code",
            &[
                "country_code",
                "Country code",
                "phoneCountryCode",
                "dial_code",
                "isd",
                "mobile_country_code",
                "Country Code (WhatsApp)",
                "customer[dial_code]",
                "Ländervorwahl",
                "رمز الدولة",
            ],
        ),
        (
            "state",
            &["State", "state/province", "billing_state", "Bundesland", "राज्य", "Estado/UF", "Your state", "REGION"],
        ),
    ] {
        for name in names {
            assert_eq!(key(name), Some(part), "{name}");
        }
    }
}

#[test]
fn whose_it_is_does_not_change() {
    for name in [
        "Father's phone",
        "Mobile (Father)",
        "Phone (emergency contact)",
        "Phone (of your emergency contact)",
        "Telefon (Notfall)",
        "Name (of your company)",
        "Member 2 Phone",
        "Guest 2 WhatsApp",
        "sender_phone",
        "Preferred Country",
        "Client country",
        "Client state",
        "Preferred state",
        "Father's country code",
        "area code",
        "zip code",
        "coupon code",
        "Country (you wish to study in)",
        "Ad",
        "first",
        "emergency_contact_phone",
        "company name",
        "company_phone",
        "form_name",
        "form_id",
        "event name",
        "Product Name",
        "username",
        "user_name",
        "contact_id",
        "page_url",
        "utm_source",
        "1.3",
        "42",
        "",
        "-",
        "fax",
        "Nominee name",
        "phonetic",
        "landmark",
        "number",
        "No.",
        "Número",
    ] {
        assert_eq!(key(name), None, "{name}");
    }
    assert_eq!(key(&"phone ".repeat(100)), None);
}

#[test]
fn prefixes_labels_in_two_languages_and_words_around_a_name_leave_it_what_it_is() {
    for (part, names) in [
        (
            "phone",
            &[
                "cf7_phone",
                "cf7-mobile",
                "wpf_phone",
                "form-phone",
                "contact_form_phone",
                "popup_phone",
                "txtPhone",
                "Booking Phone",
                "phonetext-12",
                "intl_tel-123",
                "form_fields[phone]",
                "आपका मोबाइल नंबर",
                "अपना मोबाइल नंबर लिखें",
                "मोबाइल नंबर (WhatsApp)",
                "फोन न.",
                "Mobile Number / मोबाइल नंबर",
                "फ़ोन नंबर / Phone Number",
                "मोबाइल नं. (Mobile No.)",
                "Teléfono (requerido)",
                "Téléphone (obligatoire)",
                "¿Cuál es tu número de teléfono?",
                "Número de WhatsApp (con código de país)",
                "Numéro de téléphone portable",
                "Telefonnummer (mobil)",
                "Tel./Handy",
                "Telefon / Handy",
                "Fone/WhatsApp",
                "DDD + Celular",
                "رقم جوالك",
                "رقم هاتفك",
                "هاتفك",
                "Nomor WhatsApp Aktif",
                "Nomor WhatsApp Anda",
                "Nomor Telepon/WA",
                "Nomor HP (WhatsApp)",
                "No Telp/HP",
                "Phone/WhatsApp No.",
                "Mobile Number (WhatsApp preferred)",
                "Question 2: Phone number",
                "Contact number of student",
            ][..],
        ),
        ("name", &["Your Good Name", "Name of Student", "नाम / Name", "नाम (Name)", "form_fields[name]", "Nama Anda"]),
        ("first_name", &["names[first_name]", "First name / पहला नाम"]),
    ] {
        for name in names {
            assert_eq!(key(name), Some(part), "{name}");
        }
    }
    for name in [
        "popup_name",
        "booking_name",
        "Name / Phone",
        "Phone (Ravi)",
        "Course / Phone",
        "Name of school",
        "Contact 2 phone",
    ] {
        assert_eq!(key(name), None, "{name}");
    }
}

/// Relatives, doctors, teachers, offices, references: in English, Hindi, Spanish, Portuguese, French, German, Arabic, Indonesian.
const SOMEBODY_ELSES: [&[&str]; 8] = [
    &[
        "Father's mobile number",
        "Mother phone",
        "Guardian contact",
        "Spouse",
        "Husbands number",
        "Emergency",
        "Nominee",
        "Reference 1",
        "Referral phone",
        "Friend",
        "Office",
        "Doctor's number",
        "Class teacher",
        "OTP",
        "billing contact phone",
        "Mobile no. / Parent",
    ],
    &[
        "पिता का मोबाइल नंबर",
        "माता का फोन",
        "अभिभावक",
        "पति/पत्नी का मोबाइल",
        "आपातकालीन संपर्क",
        "नॉमिनी",
        "मित्र का नंबर",
        "कार्यालय",
        "डॉक्टर",
        "शिक्षक का मोबाइल",
        "pita_mobile",
    ],
    &[
        "Teléfono del padre",
        "Madre",
        "Tutor",
        "Cónyuge",
        "Esposo",
        "Contacto de emergencia",
        "Referencia 1",
        "Amigo",
        "Oficina",
        "Médico",
        "Profesor",
    ],
    &[
        "Telefone do pai",
        "Mãe",
        "Responsável",
        "Cônjuge",
        "Marido",
        "Emergência",
        "Indicação",
        "Escritório",
        "Professora",
    ],
    &[
        "Numéro du conjoint",
        "Téléphone du père",
        "Mère",
        "Tuteur",
        "Épouse",
        "Urgence",
        "Parrain",
        "Ami",
        "Bureau",
        "Médecin",
        "Enseignant",
    ],
    &[
        "Notfallkontakt",
        "Handynummer des Vaters",
        "Telefon der Mutter",
        "Eltern",
        "Erziehungsberechtigte",
        "Ehepartner",
        "Ehefrau",
        "Freunde",
        "Büro",
        "Hausarzt",
        "Lehrerin",
    ],
    &["رقم هاتف ولي الأمر", "رقم الأب", "هاتف الأم", "الزوج", "رقم الطوارئ", "صديق", "المكتب", "الطبيب", "المعلم"],
    &[
        "Nomor HP orang tua",
        "No HP ayah",
        "Ibu",
        "Wali",
        "Suami",
        "Istri",
        "Kontak darurat",
        "Referensi",
        "Teman",
        "Kantor",
        "Dokter",
        "Guru",
    ],
];

#[test]
fn a_relatives_number_is_nobodys_in_any_language() {
    for names in SOMEBODY_ELSES {
        for name in names {
            assert!(is_of_somebody_else(name), "{name}");
            assert!(key(name).is_none(), "{name}");
        }
    }
    for own in [
        "Kindly enter your mobile",
        "Your number",
        "Reach me",
        "Question 1",
        "Número",
        "Numéro",
        "رقم",
        "नंबर",
        "Nomor",
        "Student mobile",
    ] {
        assert!(!is_of_somebody_else(own), "{own}");
    }
}

#[test]
fn the_best_name_stands_first() {
    let rank = |name: &str| part_of(name).map(|(_, rank)| rank);
    for (sooner, later) in [
        ("WhatsApp", "Mobile"),
        ("Mobile", "Phone"),
        ("Número de WhatsApp", "Celular"),
        ("Phone", "Work phone"),
        ("Full name", "Name"),
        ("Mobile country code", "Dial code"),
        ("Current country", "Country"),
    ] {
        assert!(rank(sooner) < rank(later), "{sooner} before {later}");
    }
    assert!(rank("Landline") < rank("tel").map(Rank::by_type));
}

#[test]
fn a_prefix_of_the_forms_own_can_be_taken_off() {
    let behind = |name: &str| behind_prefix(name).map(|(prefix, part, _)| (prefix, part.key()));
    assert_eq!(behind("acme_phone"), Some(("acme".to_owned(), "phone")));
    assert_eq!(behind("et_pb_acme_phone_0"), Some(("etpbacme".to_owned(), "phone")));
    assert_eq!(behind("acmeForm.firstName"), Some(("acmeform".to_owned(), "first_name")));
    assert_eq!(behind("phone"), None);
}
