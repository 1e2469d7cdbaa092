//! The battery clock's calendar.

/// A moment as people write it, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// The full year.
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    /// 1 to 31.
    pub day: u64,
    /// Seconds since midnight.
    pub second_of_day: u64,
}

impl Civil {
    /// What the clock's registers say: second, minute, hour, day, month, year of this century; as binary numbers or
    /// decimal digits. Nothing if there is no clock.
    pub fn of_battery_clock(registers: [u8; 6], binary: bool) -> Option<Self> {
        let number = |byte: u8| u64::from(if binary { byte } else { (byte >> 4) * 10 + (byte & 15) });
        if registers.contains(&0xff) {
            return None;
        }
        let [second, minute, hour, day, month, year] = registers.map(number);
        let valid = (1..=12).contains(&month) && (1..=31).contains(&day);
        valid.then(|| Self { year: 2000 + year, month, day, second_of_day: hour * 3600 + minute * 60 + second })
    }

    /// Seconds since 1970 (Howard Hinnant's `days_from_civil`).
    pub fn seconds_since_1970(self) -> u64 {
        // Years begin in March, so that the leap day is the last.
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let (era, year_of_era) = (year / 400, year % 400);
        let day_of_year = (153 * ((self.month + 9) % 12) + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        (era * 146_097 + day_of_era - 719_468) * 86_400 + self.second_of_day
    }
}

#[cfg(test)]
mod tests {
    use super::Civil;

    #[test]
    fn the_calendar_agrees_with_date() {
        let at = |year, month, day| Civil { year, month, day, second_of_day: 0 }.seconds_since_1970();
        assert_eq!((at(1970, 1, 1), at(2000, 2, 29), at(2026, 11, 23)), (0, 951_782_400, 1_795_392_000));
    }

    #[test]
    fn digits_are_decimal_unless_the_clock_says_otherwise() {
        let decimal = Civil::of_battery_clock([0x59, 0x30, 0x12, 0x23, 0x11, 0x26], false);
        assert_eq!(decimal, Civil::of_battery_clock([59, 30, 12, 23, 11, 26], true));
        assert_eq!(Civil::of_battery_clock([0xff; 6], true), None);
    }
}
