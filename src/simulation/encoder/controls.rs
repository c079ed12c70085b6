//! The controls of a simulated encoder.

use rustix::io::{Errno, Result};
use std::vec::Vec;

use super::Nature;
use crate::media::fourcc::Fourcc;
use crate::v4l2::abi::{
    self, CID_MIN_BUFFERS_FOR_OUTPUT, CID_MPEG_VIDEO_BITRATE, CID_MPEG_VIDEO_BITRATE_MODE,
    CID_MPEG_VIDEO_FORCE_KEY_FRAME, CID_MPEG_VIDEO_GOP_SIZE, CID_MPEG_VIDEO_H264_I_PERIOD,
    CID_MPEG_VIDEO_H264_LEVEL, CID_MPEG_VIDEO_H264_MAX_QP, CID_MPEG_VIDEO_H264_MIN_QP,
    CID_MPEG_VIDEO_H264_PROFILE, CID_MPEG_VIDEO_REPEAT_SEQ_HEADER, CTRL_FLAG_NEXT_CTRL,
    CTRL_TYPE_BOOLEAN, CTRL_TYPE_BUTTON, CTRL_TYPE_INTEGER, ExtControl, ExtControls, QueryExtCtrl,
    Scalar,
};

#[derive(Clone, Copy, Debug)]
struct Control {
    id: u32,
    name: &'static [u8],
    type_: u32,
    range: (i64, i64),
    step: u64,
    value: i64,
}

/// All of them, and whether a key frame was asked for.
#[derive(Debug)]
pub(super) struct Controls {
    list: Vec<Control>,
    pub(super) forced: bool,
}

impl Controls {
    pub(super) fn new(nature: &Nature) -> Self {
        let control = |id, name, range, step, value| Control {
            id,
            name,
            type_: CTRL_TYPE_INTEGER,
            range,
            step,
            value,
        };
        let mut list = Vec::new();
        let least = if nature.keeps {
            nature.ahead as i64 + 1
        } else {
            1
        };
        if nature.codec == Fourcc::H264 {
            list.extend([
                control(
                    CID_MPEG_VIDEO_BITRATE_MODE,
                    b"Video Bitrate Mode",
                    (0, 1),
                    1,
                    0,
                ),
                control(
                    CID_MPEG_VIDEO_BITRATE,
                    b"Video Bitrate",
                    (25_000, 25_000_000),
                    25_000,
                    10_000_000,
                ),
                control(
                    CID_MPEG_VIDEO_REPEAT_SEQ_HEADER,
                    b"Repeat Sequence Header",
                    (0, 1),
                    1,
                    0,
                ),
                control(
                    CID_MPEG_VIDEO_H264_MIN_QP,
                    b"H264 Minimum QP Value",
                    (0, 51),
                    1,
                    20,
                ),
                control(
                    CID_MPEG_VIDEO_H264_MAX_QP,
                    b"H264 Maximum QP Value",
                    (0, 51),
                    1,
                    51,
                ),
                control(
                    CID_MPEG_VIDEO_H264_I_PERIOD,
                    b"H264 I-Frame Period",
                    (0, 0x7fff_ffff),
                    1,
                    60,
                ),
                control(CID_MPEG_VIDEO_H264_LEVEL, b"H264 Level", (0, 15), 1, 11),
                control(CID_MPEG_VIDEO_H264_PROFILE, b"H264 Profile", (0, 4), 1, 4),
            ]);
        } else {
            list.push(control(
                CID_MPEG_VIDEO_GOP_SIZE,
                b"Video GOP Size",
                (1, 16),
                1,
                10,
            ));
        }
        list.push(control(
            CID_MIN_BUFFERS_FOR_OUTPUT,
            b"Min Number of Output Buffers",
            (least, least),
            1,
            least,
        ));
        if nature.forces {
            let mut force = control(
                CID_MPEG_VIDEO_FORCE_KEY_FRAME,
                b"Force Key Frame",
                (0, 0),
                0,
                0,
            );
            force.type_ = CTRL_TYPE_BUTTON;
            list.push(force);
        }
        for one in &mut list {
            if one.id == CID_MPEG_VIDEO_REPEAT_SEQ_HEADER {
                one.type_ = CTRL_TYPE_BOOLEAN;
            }
        }
        list.sort_by_key(|control| control.id);
        Self {
            list,
            forced: false,
        }
    }

    /// Frames from key frame to key frame.
    pub(super) fn gop(&self) -> u64 {
        let period = self.list.iter().find(|control| {
            matches!(
                control.id,
                CID_MPEG_VIDEO_GOP_SIZE | CID_MPEG_VIDEO_H264_I_PERIOD
            )
        });
        period.map_or(60, |control| control.value.max(1).unsigned_abs())
    }

    pub(super) fn query(&self, query: &mut QueryExtCtrl) -> Result<()> {
        let id = query.id & !CTRL_FLAG_NEXT_CTRL;
        let next = query.id != id;
        let mut list = self.list.iter();
        let control = list.find(|control| {
            if next {
                control.id > id
            } else {
                control.id == id
            }
        });
        let control = control.ok_or(Errno::INVAL)?;
        *query = QueryExtCtrl::new(control.id);
        query.type_ = control.type_;
        query.name[..control.name.len()].copy_from_slice(control.name);
        (query.minimum, query.maximum) = control.range;
        (query.step, query.default_value) = (control.step, control.value);
        Ok(())
    }

    pub(super) fn access(
        &mut self,
        number: u32,
        controls: &mut ExtControls,
        value: &mut ExtControl,
    ) -> Result<()> {
        let mut list = self.list.iter_mut();
        let Some(control) = list.find(|control| control.id == value.id) else {
            controls.error_idx = controls.count;
            return Err(Errno::INVAL);
        };
        if number == abi::VIDIOC_S_EXT_CTRLS {
            if control.id == CID_MPEG_VIDEO_FORCE_KEY_FRAME {
                self.forced = true;
            } else {
                let asked = value.value(Scalar::Bits32);
                control.value = asked.clamp(control.range.0, control.range.1);
            }
        } else if control.type_ == CTRL_TYPE_BUTTON {
            return Err(Errno::ACCESS);
        }
        *value = ExtControl::with_value(control.id, Scalar::Bits32, control.value)
            .ok_or(Errno::RANGE)?;
        Ok(())
    }
}
