#include "tests/support/damaged_expert.hpp"

#include "runtime/quant/blocks.hpp"
#include "runtime/quant/half.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/layer_file.hpp"
#include "tests/support/files.hpp"

namespace larql::test {

void damage_expert(const tiny_vindex& v, std::uint32_t layer, std::uint32_t expert,
                   expert_part part, float value) {
  using quant::encoding;
  const auto path = v / vindex::layer_file_name(layer);
  const auto h = vindex::read_layer_header(*file::open(path), v.config());
  const auto e = part == expert_part::down ? h->formats.down
                 : part == expert_part::up ? h->formats.up
                                           : h->formats.gate;
  const auto& entry = h->entries[expert];
  const auto end = part == expert_part::down ? entry.down_offset + h->down_bytes
                   : part == expert_part::up ? entry.gate_up_offset + h->gate_up_bytes
                                             : entry.gate_up_offset + h->gate_bytes;
  const auto block = end - quant::shape_of(e).bytes;
  if (e == encoding::f32)
    overwrite_number(path, block, value);
  else if (e == encoding::bf16)
    overwrite_number(path, block, quant::float_to_bf16(value));
  else if (quant::facts_of(e).d_is == quant::d_kind::exponent)
    overwrite_number(path, block + quant::facts_of(e).d_at, std::uint8_t{255});
  else
    overwrite_number(path, block + quant::facts_of(e).d_at, quant::float_to_half(value));
}

} // namespace larql::test
