// The types of tensors in GGUF files: those that are encodings of ours, and the names of all.

#pragma once

#include "runtime/quant/encoding.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace larql::import {

/// The encoding of a type; nothing if it is not read.
[[nodiscard]] std::optional<quant::encoding> encoding_of_ggml_type(std::uint32_t type) noexcept;

/// "IQ1_S (ggml type 19)", also of types that are not read, or "of ggml type 99".
[[nodiscard]] std::string shown_ggml_type(std::uint32_t type);

/// The types that are read: "F32, F16 and BF16".
[[nodiscard]] std::string supported_ggml_types();

} // namespace larql::import
