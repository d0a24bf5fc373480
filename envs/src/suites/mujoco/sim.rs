//! [`Sim`]: one MuJoCo simulation, a model with its state.

use std::path::Path;

use mujoco_rs::prelude::{MjData, MjModel, MjtObjBase, MjtState};
use mujoco_rs::wrappers::mj_auxiliary::MjVfs;

use super::constants::Constants;
use super::engine::{self, Data};
use crate::{EnvError, Params};

/// What the future depends on besides the model: time, positions, velocities, activations,
/// controls, applied forces, and where the solver starts from.
const STATE: u32 = MjtState::mjSTATE_INTEGRATION as u32;

/// One simulation. Its constants are those of [`Constants`].
pub(crate) struct Sim {
    data: Data,
    constants: Constants,
}

impl Sim {
    /// A model from its text. Files it names are looked for among `files`: name and content.
    ///
    /// # Errors
    /// What MuJoCo finds wrong with the model, called `name` then.
    pub(crate) fn compile(
        name: &str,
        xml: &str,
        files: &[(&str, &[u8])],
    ) -> Result<MjModel, EnvError> {
        engine::start()?;
        let mut vfs = MjVfs::new();
        let all = [("model.xml", xml.as_bytes())].into_iter().chain(files.iter().copied());
        for (file, content) in all {
            vfs.add_from_buffer(file, content)
                .map_err(|error| format!("file '{file}' of model '{name}': {error}"))?;
        }
        accept(name, MjModel::from_xml_vfs("model.xml", &vfs))
    }

    /// From the text of a model that needs no other files.
    ///
    /// # Errors
    /// As [`Sim::compile`].
    pub(crate) fn from_xml(name: &str, xml: &str) -> Result<Self, EnvError> {
        Self::new(name, Self::compile(name, xml, &[])?)
    }

    /// From a model's file; other files are looked for beside it.
    ///
    /// # Errors
    /// A file that cannot be read, or what MuJoCo finds wrong with it.
    pub(crate) fn from_path(path: &Path) -> Result<Self, EnvError> {
        engine::start()?;
        let name = path.display().to_string();
        // Checked here: the bindings panic on a zero byte.
        if !path.is_file() || name.contains('\0') {
            return Err(format!("there is no model file '{name}'; check xml_file").into());
        }
        Self::new(&name, accept(&name, MjModel::from_xml(path))?)
    }

    /// From a model, whose numbers are its constants from then on.
    ///
    /// # Errors
    /// Too little memory.
    pub(crate) fn new(name: &str, model: MjModel) -> Result<Self, EnvError> {
        let constants = Constants::new(&model);
        let data = MjData::try_new(Box::new(model))
            .map_err(|error| format!("no memory for model '{name}': {error}"))?;
        Ok(Self { data, constants })
    }

    /// Everything MuJoCo knows.
    pub(crate) fn data(&self) -> &Data {
        &self.data
    }

    /// Everything MuJoCo knows, to be stepped and written to.
    pub(crate) fn data_mut(&mut self) -> &mut Data {
        &mut self.data
    }

    /// The model in use.
    pub(crate) fn model(&self) -> &MjModel {
        self.data.model()
    }

    /// Seconds of one step of the engine.
    pub(crate) fn timestep(&self) -> f64 {
        self.data.model_opt().timestep
    }

    /// Number of a thing of this kind and name.
    ///
    /// # Errors
    /// The model has none.
    pub(crate) fn find(&self, kind: MjtObjBase, name: &str) -> Result<usize, EnvError> {
        find(self.model(), kind, name)
    }

    /// Puts the model into its rest position, lets `place` change positions and velocities, and
    /// computes what follows from them.
    pub(crate) fn reset(&mut self, place: impl FnOnce(&mut Data)) {
        self.data.reset();
        place(&mut self.data);
        self.data.forward();
    }

    /// Applies controls for some steps of the engine.
    pub(crate) fn step(&mut self, controls: &[f32], steps: u32) {
        for (control, &x) in self.data.ctrl_mut().iter_mut().zip(controls) {
            *control = f64::from(x);
        }
        for _ in 0..steps {
            self.data.step();
        }
    }

    /// The state in MuJoCo's order, `mjSTATE_INTEGRATION`: it begins with time, positions and
    /// velocities.
    pub(crate) fn save(&self) -> Vec<f64> {
        self.data.state(STATE).into_vec()
    }

    /// How many numbers [`Sim::save`] returns.
    pub(crate) fn state_size(&self) -> usize {
        self.model().state_size(STATE)
    }

    /// Puts a saved state back and computes what follows from it. Going on is bitwise as it was
    /// after the save.
    ///
    /// # Errors
    /// A state that is not one of this model.
    pub(crate) fn load(&mut self, state: &[f64]) -> Result<(), EnvError> {
        if state.len() != self.state_size() {
            return Err(format!(
                "a saved state of {} numbers cannot be loaded into a model that takes {}; check \
                 that the checkpoint is of the same environment and xml_file",
                state.len(),
                self.state_size()
            )
            .into());
        }
        self.data.set_state(state, STATE)?;
        // Leaves the state alone.
        self.data.forward();
        Ok(())
    }
}

/// As [`Sim::find`], in a model.
pub(crate) fn find(model: &MjModel, kind: MjtObjBase, name: &str) -> Result<usize, EnvError> {
    // The bindings panic on a zero byte.
    let found = if name.contains('\0') { None } else { model.name_to_id(kind, name) };
    found.ok_or_else(|| {
        let kind = format!("{kind:?}").trim_start_matches("mjOBJ_").to_lowercase();
        format!("the model has no {kind} named '{name}'; check xml_file").into()
    })
}

fn accept(name: &str, model: Result<MjModel, impl std::fmt::Display>) -> Result<MjModel, EnvError> {
    model.map_err(|error| format!("MuJoCo refuses the model '{name}': {error}").into())
}

impl Params for Sim {
    fn names(&self) -> Vec<&str> {
        self.constants.names().collect()
    }

    fn get(&self, name: &str) -> Option<f64> {
        self.constants.get(name)
    }

    fn set(&mut self, name: &str, value: f64) -> Result<(), EnvError> {
        let is_mass = self.constants.set(name, value, &mut self.data)?;
        if is_mass {
            // What the engine derives from masses is computed in the rest position.
            let state = self.save();
            self.data.set_const();
            self.load(&state)?;
        }
        Ok(())
    }
}
