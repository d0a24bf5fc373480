//! From the folders of a grid to what its report is made of.

use std::path::{Path, PathBuf};

use super::{Grid, job_folder};
use crate::study::{Method, Study, load_method};

impl Grid {
    /// What the runs below `out` measured. Runs that are not there, or not finished, are failures.
    ///
    /// # Errors
    /// One sentence about a configuration that cannot be made.
    pub fn study(&self, name: &str, out: &Path) -> Result<Study, String> {
        let mut study = Study {
            name: name.to_owned(),
            title: self.title.clone(),
            about: self.about.trim().to_owned(),
            source: self.source.trim().to_owned(),
            expected: self.expected.trim().to_owned(),
            score: self.score.clone(),
            methods: Vec::new(),
            failures: Vec::new(),
        };
        for spec in &self.methods {
            let jobs = self.jobs_of(spec, 1)?;
            let tasks = spec.fresh.then_some(jobs.len() as u64);
            let folders: Vec<(u64, PathBuf)> = (1..=self.seeds)
                .map(|seed| (seed, out.join(job_folder(&spec.name, seed))))
                .collect();
            let folders = folders.iter().map(|(seed, dir)| (*seed, dir.as_path()));
            let (runs, failures) = load_method(&spec.name, folders, tasks, &self.score);
            let config = jobs.first().map(|job| out.join(&job.dir).join("config.toml"));
            let config = config.and_then(|path| std::fs::read_to_string(path).ok());
            study.methods.push(Method {
                name: spec.name.clone(),
                about: spec.about.clone(),
                baseline: spec.baseline,
                fresh: spec.fresh,
                anchor: spec.anchor,
                config: config.unwrap_or_default(),
                runs,
            });
            study.failures.extend(failures);
        }
        Ok(study)
    }
}
