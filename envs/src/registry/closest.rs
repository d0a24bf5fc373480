//! "Did you mean": the known words that resemble another one most.

/// `, did you mean 'a' or 'b'?`: the known words that resemble this one most.
pub(super) fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let word = word.to_lowercase();
    // Typing errors in a thousand letters, so that long words have a chance.
    let unlike = |other: &str| {
        edit_distance(&word, &other.to_lowercase()) * 1000 / word.len().max(other.len()).max(1)
    };
    let mut known: Vec<(usize, &str)> = known.map(|other| (unlike(other), other)).collect();
    known.sort_unstable();
    let Some(&(least, _)) = known.first() else { return String::new() };
    let near = known.iter().take(3).take_while(|(unlike, _)| *unlike <= least + 50);
    let near: Vec<String> = near.map(|(_, other)| format!("'{other}'")).collect();
    format!(", did you mean {}?", near.join(" or "))
}

/// Levenshtein's distance: how many characters to insert, delete, or replace. For "did you mean".
pub fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replace = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
