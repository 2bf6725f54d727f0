//! Values as people write them: `10s`, `1MiB`, `20/s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time: a number and `ms`, `s`, `m`, `h`, `d` or `y` (365 days).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// For how long something is kept: a length of time, or `forever`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(pub Option<Duration>);

/// An amount of data in bytes: a number and `B`, `KiB`, `MiB` or `GiB` (`KB`, `MB` and `GB` are thousands).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub usize);

/// How many a second or a minute: `20/s`, `600/m`, or `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(pub Option<PerSecond>);

/// How many a person gets in so long: `2/day`, `5/week`, `1/3d`, or `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerPerson(pub Option<PerSecond>);

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerSecond {
    /// How many.
    pub count: u32,
    /// In how long.
    pub every: Duration,
}

fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    Some((number.parse().ok()?, unit.trim()))
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault =
            || format!("`{text}` is not a length of time: write a number with ms, s, m, h, d or y, as in 10s or 7d");
        let (number, unit) = number_and_unit(text).ok_or_else(fault)?;
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "y" => 31_536_000.0,
            _ => return Err(fault()),
        };
        Duration::try_from_secs_f64(number * seconds).map(Self).map_err(|_| fault())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        match [(31_536_000_000, "y"), (86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")]
            .iter()
            .find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit))
        {
            Some((unit, name)) => write!(f, "{}{name}", ms / unit),
            None => write!(f, "{ms}ms"),
        }
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "forever" {
            return Ok(Self(None));
        }
        let fault = |_| format!("`{text}` is not a time to keep things for: write 90d, 1y or forever");
        text.parse::<Span>().map(|span| Self(Some(span.0))).map_err(fault)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("forever"),
            Some(span) => Span(span).fmt(f),
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || format!("`{text}` is not a size: write a number with B, KiB, MiB or GiB, as in 1MiB");
        let (number, unit) = number_and_unit(text).ok_or_else(fault)?;
        let bytes = match unit {
            "" | "B" => 1_u64,
            "KB" | "kB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(fault()),
        };
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a size in a configuration file is far below 2^52"
        )]
        Ok(Self((number * bytes as f64) as usize))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
            .iter()
            .find(|(unit, _)| self.0 >= *unit && self.0.is_multiple_of(*unit))
        {
            Some((unit, name)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || format!("`{text}` is not a rate: write 20/s, 600/m or unlimited");
        if text.trim() == "unlimited" {
            return Ok(Self(None));
        }
        let (count, unit) = text.split_once('/').ok_or_else(fault)?;
        let every = Duration::from_secs(match unit.trim() {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3_600,
            _ => return Err(fault()),
        });
        let count: u32 = count.trim().parse().map_err(|_| fault())?;
        if count == 0 {
            return Err(format!("`{text}` would never send anything: write a rate of 1 or more"));
        }
        Ok(Self(Some(PerSecond { count, every })))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("unlimited"),
            Some(PerSecond { count, every }) => match every.as_secs() {
                60 => write!(f, "{count}/m"),
                3_600 => write!(f, "{count}/h"),
                _ => write!(f, "{count}/s"),
            },
        }
    }
}

impl FromStr for PerPerson {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || format!("`{text}` is not a cap: write 2/day, 5/week, 1/3d or unlimited");
        if text.trim() == "unlimited" {
            return Ok(Self(None));
        }
        let (count, span) = text.split_once('/').ok_or_else(fault)?;
        let every = match span.trim() {
            "hour" | "h" => Duration::from_secs(3_600),
            "day" | "d" => Duration::from_secs(86_400),
            "week" | "w" => Duration::from_secs(7 * 86_400),
            other => other.parse::<Span>().map_err(|_| fault())?.0,
        };
        let count: u32 = count.trim().parse().map_err(|_| fault())?;
        if count == 0 || every.as_secs() == 0 {
            return Err(format!("`{text}` would never send anything: write a cap of 1 or more"));
        }
        Ok(Self(Some(PerSecond { count, every })))
    }
}

impl fmt::Display for PerPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("unlimited"),
            Some(PerSecond { count, every }) => match every.as_secs() {
                86_400 => write!(f, "{count}/day"),
                604_800 => write!(f, "{count}/week"),
                _ => write!(f, "{count}/{}", Span(every)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_units() {
        assert_eq!("10s".parse::<Span>(), Ok(Span(Duration::from_secs(10))));
        assert_eq!("1.5h".parse::<Span>(), Ok(Span(Duration::from_secs(5_400))));
        assert_eq!("1MiB".parse::<Size>(), Ok(Size(1 << 20)));
        assert_eq!("600/m".parse::<Rate>(), Ok(Rate(Some(PerSecond { count: 600, every: Duration::from_secs(60) }))));
        assert_eq!("unlimited".parse::<Rate>(), Ok(Rate(None)));
    }

    #[test]
    fn what_is_no_unit_is_refused_with_the_way_to_write_it() {
        for wrong in ["10", "ten", "10 parsecs", "-1s", ""] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
        assert_eq!("2/day".parse::<PerPerson>().map(|cap| cap.to_string()), Ok("2/day".into()));
        assert_eq!("1/3d".parse::<PerPerson>().map(|cap| cap.to_string()), Ok("1/3d".into()));
        assert!("2".parse::<PerPerson>().is_err() && "0/day".parse::<PerPerson>().is_err());
        assert!("0/s".parse::<Rate>().is_err());
        assert!("fast".parse::<Rate>().is_err_and(|e| e.contains("20/s")));
        assert!("big".parse::<Size>().is_err());
    }

    #[test]
    fn units_are_shown_as_they_are_written() {
        for text in ["10s", "7d", "250ms", "90m", "1y", "400d"] {
            assert_eq!(text.parse::<Span>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
        for text in ["90d", "1y", "forever"] {
            assert_eq!(text.parse::<Period>().map(|period| period.to_string()), Ok(text.to_owned()));
        }
        assert!("long".parse::<Period>().is_err_and(|e| e.contains("forever")));
        assert_eq!("1MiB".parse::<Size>().map(|s| s.to_string()), Ok("1MiB".to_owned()));
    }
}
