// Every encoding gives the numbers that ggml gives: digests of what llama.cpp's own package makes
// of the same blocks (tests/golden/ggml_values.py).

#include "runtime/base/sha256.hpp"
#include "runtime/quant/blocks.hpp"
#include "runtime/quant/quantize.hpp"
#include "tests/support/files.hpp"
#include "tests/support/paths.hpp"

#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <vector>

namespace larql::quant {
namespace {

constexpr std::size_t blocks = 256;

std::map<std::string, std::string> ggml_digests() {
  auto lines =
      std::istringstream{test::read_file(test::source_dir() / "tests/golden/ggml-values.txt")};
  auto out = std::map<std::string, std::string>{};
  for (auto name = std::string{}, digest = std::string{}; lines >> name >> digest;)
    out[name] = digest;
  return out;
}

// Splitmix64, seeded with ggml's number of the type; scales are neither NaN nor infinite.
std::vector<std::byte> fixed_blocks(const block_facts& facts) {
  auto state = std::uint64_t{facts.ggml_type};
  auto out = std::vector<std::byte>(blocks * facts.bytes);
  for (auto& b : out) {
    auto z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    b = static_cast<std::byte>(z ^ (z >> 31));
  }
  const auto keep_finite = [&](std::size_t at) {
    if ((out[at + 1] & std::byte{0x7c}) == std::byte{0x7c})
      out[at + 1] &= std::byte{0xbf};
  };
  for (auto i = std::size_t{0}; i < blocks; ++i) {
    if (facts.d_is == d_kind::half)
      keep_finite(i * facts.bytes + facts.d_at);
    else if (auto& e = out[i * facts.bytes + facts.d_at]; e == std::byte{255})
      e = std::byte{254};
    if (facts.has_min)
      keep_finite(i * facts.bytes + facts.min_at);
  }
  return out;
}

class GgmlValues : public testing::TestWithParam<encoding> {};

TEST_P(GgmlValues, AreThoseOfEveryBlock) {
  const auto& facts = facts_of(GetParam());
  const auto type = std::string{name_of(vindex_encoding(GetParam()))};
  const auto known = ggml_digests();
  ASSERT_TRUE(known.contains(type));
  auto bytes = fixed_blocks(facts_of(vindex_encoding(GetParam())));
  if (facts.format == encoding::q6_k) { // ours has another order of bits
    const auto theirs = bytes;
    for (auto i = std::size_t{0}; i < blocks; ++i)
      linear_from_ggml_q6_k(theirs.data() + i * facts.bytes, bytes.data() + i * facts.bytes);
  }
  auto values = std::vector<float>(blocks * facts.weights);
  dequantize_row(facts.format, bytes.data(), values.size(), values.data());
  for (auto& x : values)
    x += 0.0f; // no zero has a sign
  auto hash = sha256{};
  hash.update(std::as_bytes(std::span{values}));
  EXPECT_EQ(to_hex(hash.finish()), known.at(type));
}

std::vector<encoding> encodings_with_blocks() {
  auto out = std::vector<encoding>{};
  for (const auto e : all_encodings)
    if (facts_of(e).weights != 1)
      out.push_back(e);
  return out;
}
INSTANTIATE_TEST_SUITE_P(Encodings, GgmlValues, testing::ValuesIn(encodings_with_blocks()),
                         [](const auto& p) { return std::string{name_of(p.param)}; });

} // namespace
} // namespace larql::quant
