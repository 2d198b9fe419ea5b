#include "runtime/import/gguf_types.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

namespace larql::import {

namespace {

struct type_name {
  std::uint32_t type;
  std::string_view name;
};

// ggml's types that are no encodings of ours; some of them it gave up.
constexpr type_name others[] = {
    {4, "Q4_2"},   {5, "Q4_3"},        {9, "Q8_1"},        {15, "Q8_K"},       {19, "IQ1_S"},
    {24, "I8"},    {25, "I16"},        {26, "I32"},        {27, "I64"},        {28, "F64"},
    {29, "IQ1_M"}, {31, "Q4_0_4_4"},   {32, "Q4_0_4_8"},   {33, "Q4_0_8_8"},   {34, "TQ1_0"},
    {35, "TQ2_0"}, {36, "IQ4_NL_4_4"}, {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"}, {40, "NVFP4"},
    {41, "Q1_0"},  {42, "Q2_0"},
};

} // namespace

std::optional<quant::encoding> encoding_of_ggml_type(std::uint32_t type) noexcept {
  for (const auto& f : quant::block_table)
    if (f.ggml_type == type && type != quant::no_ggml_type)
      return f.format;
  return std::nullopt;
}

std::string shown_ggml_type(std::uint32_t type) {
  if (const auto e = encoding_of_ggml_type(type))
    return fmt::format("{} (ggml type {})", quant::name_of(*e), type);
  const auto* it = std::find_if(std::begin(others), std::end(others),
                                [&](const type_name& t) { return t.type == type; });
  return it == std::end(others) ? fmt::format("of ggml type {}", type)
                                : fmt::format("{} (ggml type {})", it->name, type);
}

std::string supported_ggml_types() {
  auto names = std::vector<std::string_view>{};
  for (const auto& f : quant::block_table)
    if (f.ggml_type != quant::no_ggml_type)
      names.push_back(f.name);
  const auto last = names.back();
  names.pop_back();
  return fmt::format("{} and {}", fmt::join(names, ", "), last);
}

} // namespace larql::import
