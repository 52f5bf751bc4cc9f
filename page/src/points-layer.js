// Many round points, as plainly as WebGL can draw them: one vertex each, no instances. Where the
// processor has to do a graphics card's work, that is far faster than deck.gl's own points.

import { Layer, picking, project32 } from "@deck.gl/core";
import { Model } from "@luma.gl/engine";

const UNIFORMS = `\
layout(std140) uniform pointsUniforms {
  vec2 center;
  vec2 scale;
  float size;
  float opacity;
} points;
`;

const VERTEX = `\
#version 300 es
in vec2 positions;
in vec4 colors;
out vec4 vColor;
void main() {
  gl_Position = vec4((positions - points.center) * points.scale, 0.0, 1.0);
  gl_PointSize = points.size;
  vColor = vec4(colors.rgb, colors.a * points.opacity);
}
`;

const FRAGMENT = `\
#version 300 es
precision highp float;
in vec4 vColor;
out vec4 fragColor;
void main() {
  // The rim is one pixel wide, and soft.
  float distance = length(gl_PointCoord - 0.5) * points.size;
  float inside = clamp(0.5 * points.size - distance + 0.5, 0.0, 1.0);
  if (inside == 0.0) discard;
  fragColor = vec4(vColor.rgb, vColor.a * inside);
}
`;

const uniforms = {
  name: "points",
  vs: UNIFORMS,
  fs: UNIFORMS,
  uniformTypes: { center: "vec2<f32>", scale: "vec2<f32>", size: "f32", opacity: "f32" },
};

/** Points on a plane: `data` has `length` and the attributes getPosition (x, y) and getColor. */
export class PointsLayer extends Layer {
  static layerName = "PointsLayer";
  static defaultProps = {
    getPosition: { type: "accessor", value: [0, 0] },
    getColor: { type: "accessor", value: [0, 0, 0, 255] },
    radius: 3, // pixels
  };

  initializeState() {
    const attributes = this.getAttributeManager();
    attributes.remove(["instancePickingColors", "pickingColors"]);
    attributes.add({
      positions: { size: 2, accessor: "getPosition" },
      colors: { size: 4, type: "unorm8", accessor: "getColor" },
    });
    this.setState({
      model: new Model(this.context.device, {
        ...super.getShaders({ vs: VERTEX, fs: FRAGMENT, modules: [project32, picking, uniforms] }),
        id: this.props.id,
        topology: "point-list",
        bufferLayout: attributes.getBufferLayouts(),
      }),
    });
  }

  draw() {
    const { device, viewport, renderPass } = this.context;
    const { data, radius, opacity } = this.props;
    const { model } = this.state;
    model.setVertexCount(data.length);
    model.shaderInputs.setProps({
      points: {
        center: viewport.center.slice(0, 2),
        scale: [
          2 ** (viewport.zoom + 1) / viewport.width,
          2 ** (viewport.zoom + 1) / viewport.height,
        ],
        size: 2 * radius * device.canvasContext.cssToDeviceRatio(),
        opacity,
      },
    });
    model.draw(renderPass);
  }
}
