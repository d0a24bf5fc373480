//! Pictures of a simulation, drawn off-screen.
//!
//! OpenGL comes through EGL, with a graphics card or Mesa's software renderer. It is loaded when
//! the first picture is asked for, so that nothing else needs it.

use std::cell::RefCell;

use mujoco_rs::prelude::{MjModel, MjtObjBase, MjvCamera};
use mujoco_rs::renderer::MjRenderer;

use super::engine::Data;
use crate::{EnvError, Frame};

/// Width and height, as Gymnasium's.
const SIZE: u32 = 480;

thread_local! {
    /// A context of OpenGL belongs to one thread, an environment does not: so each thread that
    /// draws has its own, and the next picture of the same model finds it ready.
    static RENDERER: RefCell<Option<MjRenderer>> = const { RefCell::new(None) };
}

/// The simulation as the model's camera `track` sees it, or its first one, or a free camera that
/// sees all.
///
/// # Errors
/// No EGL, or what it fails with.
pub(crate) fn picture(data: &mut Data) -> Result<Frame, EnvError> {
    let global = &mut data.model_vis_mut().global;
    (global.offwidth, global.offheight) =
        (global.offwidth.max(SIZE as i32), global.offheight.max(SIZE as i32));
    RENDERER.with_borrow_mut(|slot| {
        let renderer = match slot {
            Some(renderer) => renderer,
            empty => empty.insert(renderer(data.model())?),
        };
        renderer.set_camera(camera(data.model()));
        renderer.sync_data(data).map_err(failed)?;
        renderer.render().map_err(failed)?;
        let rgb = renderer.rgb_flat().unwrap_or_default().to_vec();
        Ok(Frame { width: SIZE as usize, height: SIZE as usize, rgb })
    })
}

fn renderer(model: &MjModel) -> Result<MjRenderer, EnvError> {
    MjRenderer::builder().width(SIZE).height(SIZE).build(model).map_err(failed)
}

fn camera(model: &MjModel) -> MjvCamera {
    let first = (model.ncam() > 0).then_some(0);
    match model.name_to_id(MjtObjBase::mjOBJ_CAMERA, "track").or(first) {
        Some(camera) => MjvCamera::new_fixed(camera),
        None => MjvCamera::new_free(model),
    }
}

/// The bindings name the step that failed; why is in the error below.
fn failed(error: impl std::error::Error) -> EnvError {
    let why = error.source().map(|source| format!(" ({source})")).unwrap_or_default();
    format!(
        "MuJoCo cannot draw: {error}{why}; install EGL, on Debian libegl1 and libgl1-mesa-dri, or \
         do without pictures"
    )
    .into()
}
