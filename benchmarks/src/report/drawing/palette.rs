//! Colours, for light and for dark pages.
//!
//! The eight colours of methods were searched for: in `OKLab`, as seen with normal sight and with each of
//! the three kinds of colour blindness, the nearest two are as far apart as hues near these allow, and
//! each stands out from its page (the tests here). Baselines and fresh agents take none of them.

/// The colours of one kind of page.
pub(in crate::report) struct Theme {
    /// Pages, and behind figures.
    pub(in crate::report) paper: &'static str,
    /// Boxes on pages.
    pub(in crate::report) raised: &'static str,
    /// Text, and the baseline.
    pub(in crate::report) ink: &'static str,
    /// Text that matters less, and fresh agents.
    pub(in crate::report) muted: &'static str,
    /// Methods in the background.
    pub(in crate::report) faint: &'static str,
    /// Lines of grids and tables.
    pub(in crate::report) grid: &'static str,
    /// Links.
    pub(in crate::report) link: &'static str,
    /// What is better than the baseline.
    pub(in crate::report) better: &'static str,
    /// What is worse.
    pub(in crate::report) worse: &'static str,
    /// Methods.
    pub(in crate::report) series: [&'static str; SERIES],
}

/// Methods that can be told apart by colour.
pub(in crate::report) const SERIES: usize = 8;

/// Figures by themselves, and pages by day.
pub(in crate::report) const LIGHT: Theme = Theme {
    paper: "#ffffff",
    raised: "#f6f6f4",
    ink: "#1b1c1e",
    muted: "#63666b",
    faint: "#c9cbcf",
    grid: "#e6e6e3",
    link: "#1f5fae",
    better: "#12708c",
    worse: "#b3420f",
    series: [
        "#2a3ba4", "#c67c0c", "#1aa598", "#852104", "#b073fd", "#2272a5", "#955954", "#57325a",
    ],
};

/// Pages by night.
pub(in crate::report) const DARK: Theme = Theme {
    paper: "#16181b",
    raised: "#1f2226",
    ink: "#eceae6",
    muted: "#a0a4ab",
    faint: "#4b5057",
    grid: "#2d3137",
    link: "#8ab8f2",
    better: "#5cc4dd",
    worse: "#f29562",
    series: [
        "#4f6bee", "#f6e547", "#2fcda3", "#e24130", "#b193f4", "#a0f2f8", "#f99603", "#a14d92",
    ],
};

impl Theme {
    /// Name and value of each colour.
    fn named(&self) -> Vec<(String, &'static str)> {
        let plain = [
            ("paper", self.paper),
            ("raised", self.raised),
            ("ink", self.ink),
            ("muted", self.muted),
            ("faint", self.faint),
            ("grid", self.grid),
            ("link", self.link),
            ("better", self.better),
            ("worse", self.worse),
        ];
        let series = self.series.iter().enumerate().map(|(i, colour)| (format!("s{i}"), *colour));
        plain.into_iter().map(|(name, colour)| (name.to_owned(), colour)).chain(series).collect()
    }

    /// Declarations of CSS variables: `--ink:#1b1c1e;...`
    pub(in crate::report) fn variables(&self) -> String {
        self.named().iter().map(|(name, colour)| ["--", name, ":", colour, ";"].concat()).collect()
    }

    /// `css` with each `var(--name)` replaced by its value, for readers of SVG that know no variables.
    pub(in crate::report) fn resolve(&self, css: &str) -> String {
        self.named().iter().fold(css.to_owned(), |css, (name, colour)| {
            css.replace(&format!("var(--{name})"), colour)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rgb = [f64; 3];

    /// From `#rrggbb` to linear light.
    fn linear(colour: &str) -> Rgb {
        [1, 3, 5].map(|i| {
            let c = f64::from(u8::from_str_radix(&colour[i..i + 2], 16).expect("hex")) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn times(matrix: [Rgb; 3], v: Rgb) -> Rgb {
        matrix.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum())
    }

    /// WCAG 2.
    fn contrast(a: &str, b: &str) -> f64 {
        let [a, b] = [a, b].map(|c| {
            let [r, g, b] = linear(c);
            0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05
        });
        a.max(b) / a.min(b)
    }

    /// Ottosson 2020.
    fn oklab(v: Rgb) -> Rgb {
        let lms = times(
            [
                [0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9],
                [0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6],
                [0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5],
            ],
            v,
        );
        times(
            [
                [0.210_454_255_3, 0.793_617_785, -0.004_072_046_8],
                [1.977_998_495_1, -2.428_592_205, 0.450_593_709_9],
                [0.025_904_037_1, 0.782_771_766_2, -0.808_675_766],
            ],
            lms.map(f64::cbrt),
        )
    }

    /// Nothing, then protanopia, deuteranopia and tritanopia: Machado, Oliveira and Fernandes 2009,
    /// severity 1.
    const SIGHT: [[Rgb; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ];

    #[test]
    fn colours_stand_out_from_their_page_and_from_each_other_whatever_the_sight() {
        for theme in [&LIGHT, &DARK] {
            for colour in theme.series.into_iter().chain([theme.better, theme.worse, theme.muted]) {
                let found = contrast(colour, theme.paper);
                assert!(found >= 3.0, "{colour} on {}: {found}", theme.paper);
            }
            for text in [theme.ink, theme.muted, theme.link, theme.better, theme.worse] {
                let found = contrast(text, theme.raised);
                assert!(found >= 4.5, "{text} on {}: {found}", theme.raised);
            }
            for sight in SIGHT {
                for (i, a) in theme.series.iter().enumerate() {
                    for b in &theme.series[..i] {
                        let [x, y] = [a, b]
                            .map(|c| oklab(times(sight, linear(c)).map(|v| v.clamp(0.0, 1.0))));
                        let apart =
                            x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
                        assert!(apart > 0.12, "{a} and {b}: {apart}");
                    }
                }
            }
        }
    }

    #[test]
    fn no_variable_is_left() {
        for css in [include_str!("figure.css"), include_str!("../page.css")] {
            assert!(css.contains("var(") && !LIGHT.resolve(css).contains("var("));
        }
    }
}
