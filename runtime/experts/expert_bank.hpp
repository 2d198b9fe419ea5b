// The experts that this process owns: mapped pages of the layer files, one mapping per contiguous
// run of owned bytes (vindex/mapped_parts.hpp), so that other experts' pages cannot become
// resident.
//
// Owner     Owns the mappings; views live as long as it does.
// Threads   Immutable; all functions may be called from several threads.
// Blocking  Touching the weights reads them from disk where they are not in memory.
// Errors    Names the file, the expert, what was found and expected.

#pragma once

#include "runtime/experts/ownership.hpp"
#include "runtime/quant/encoding.hpp"
#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/layer_file.hpp"
#include "runtime/vindex/mapped_parts.hpp"
#include "runtime/vindex/vectors.hpp"

#include <filesystem>
#include <functional>
#include <vector>

namespace larql::experts {

struct expert_weights {
  quant::matrix_view gate; ///< [width][hidden]
  quant::matrix_view up;   ///< [width][hidden]
  quant::matrix_view down; ///< [hidden][down_cols]
};

class expert_bank {
public:
  /// Opens the owned part of the layer files of a vindex. Reads headers only.
  [[nodiscard]] static result<expert_bank>
  open(const std::filesystem::path& dir, const vindex::model_config& model, const ownership& owned);

  [[nodiscard]] const ownership& owned() const noexcept { return owned_; }
  /// Between gate and up, in every expert.
  [[nodiscard]] quant::activation_function activation() const noexcept { return activation_; }

  /// How the input of a layer's experts is to be represented: rounded as gate and up want it, or
  /// f32 if each wants it otherwise; then expert_compute rounds. @pre the layer is owned
  [[nodiscard]] quant::activation_format input_format(std::uint32_t layer) const;

  /// The matrices of an owned expert, which may hold numbers that are not finite: what is computed
  /// from these is not finite either. @pre owned().contains(layer, expert)
  [[nodiscard]] expert_weights get(std::uint32_t layer, std::uint32_t expert) const;

  /// Fails if an owned expert holds a scale or weight that is not finite. Reads all of it.
  /// @pre owned().contains(layer, expert)
  [[nodiscard]] result<void> check(std::uint32_t layer, std::uint32_t expert) const;

  /// Has the kernel begin to read an owned expert, as far as that is faster than touching it.
  /// @pre owned().contains(layer, expert)
  void will_need(std::uint32_t layer, std::uint32_t expert) const;

  /// Takes an owned expert's pages out of this process; a touch brings them back. For passes over
  /// many experts that need each only once. @pre owned().contains(layer, expert)
  void release(std::uint32_t layer, std::uint32_t expert) const;

  [[nodiscard]] std::uint64_t owned_bytes() const noexcept { return owned_bytes_; }
  /// Of one expert of a layer. @pre the layer is owned
  [[nodiscard]] std::uint64_t expert_bytes(std::uint32_t layer) const;

  /// Bytes of owned experts whose pages are in memory now and mapped by this process.
  [[nodiscard]] std::uint64_t resident_bytes() const;

  /// Reads all owned pages into memory. `on_progress` gets the bytes done; false stops.
  [[nodiscard]] result<void> warm_up(const std::function<bool(std::uint64_t)>& on_progress) const;

  /// Keeps the owned pages from being dropped. Fails where the system does not allow so much.
  [[nodiscard]] result<void> lock_in_memory() const;

private:
  /// Of the mapped parts each expert has three in a row.
  enum part_number : std::size_t { gate_part, up_part, down_part, part_count };

  struct layer_part {
    std::filesystem::path path; ///< of the layer file, for messages
    vindex::layer_header header;
    vindex::mapped_parts mapped; ///< of the owned experts, ascending
    vindex::expert_scales scales;
  };

  static result<layer_part> open_layer(const vindex::storage& files, std::uint32_t layer,
                                       const sha256_digest* head, const vindex::model_config& model,
                                       index_range experts);
  [[nodiscard]] std::size_t number_of(std::uint32_t expert, part_number n) const noexcept {
    return part_count * (expert - owned_.experts.first) + n;
  }
  [[nodiscard]] const layer_part& part_of(std::uint32_t layer) const;

  ownership owned_;
  quant::activation_function activation_ = quant::activation_function::gelu;
  std::vector<layer_part> layers_;
  std::uint64_t owned_bytes_ = 0;
};

} // namespace larql::experts
