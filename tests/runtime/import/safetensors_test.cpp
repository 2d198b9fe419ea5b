// Mirrors runtime/import/safetensors.hpp.

#include "runtime/import/safetensors.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/safetensors_writer.hpp"

#include <gtest/gtest.h>

namespace larql::import {
namespace {

using test::fails;
using test::safetensors_writer;
using test::succeeds;

safetensors_writer good() {
  auto w = safetensors_writer{};
  w.tensor("b", "BF16", {2, 3}, "aabbccddeeff").tensor("a", "F32", {1}, "1234");
  w.tensor("empty", "F32", {0, 5}, "").tensor("scalar", "U8", {}, "x");
  return w;
}

result<safetensors_head> parse(std::string_view bytes) {
  return parse_safetensors(std::as_bytes(std::span{bytes}), bytes.size(), "m.safetensors");
}

void expect_bad(const std::function<void(json&)>& edit, errc code,
                std::initializer_list<std::string_view> parts) {
  EXPECT_TRUE(fails(parse(good().bytes(edit)), code, parts));
}

TEST(Safetensors, TensorsAreFoundWithTheirBytes) {
  const auto dir = test::temporary_directory{};
  test::write_file(dir / "m", good().bytes());
  const auto in = safetensors_file::open(dir / "m");
  ASSERT_TRUE(succeeds(in));
  const auto& tensors = in->head().tensors;
  ASSERT_EQ(tensors.size(), 4u);
  EXPECT_EQ(tensors[0].name, "b");
  EXPECT_EQ(tensors[0].dtype, "BF16");
  EXPECT_EQ(tensors[0].shape, (std::vector<std::uint64_t>{2, 3}));
  const auto data = in->data(tensors[1]);
  EXPECT_EQ((std::string_view{reinterpret_cast<const char*>(data.data()), data.size()}), "1234");
  EXPECT_EQ(tensors[3].shape, (std::vector<std::uint64_t>{1})); // a scalar
}

TEST(Safetensors, EveryLieOfTheHeaderIsNamed) {
  const auto corrupt = errc::corrupt;
  expect_bad([](json& j) { j["b"]["dtype"] = "Q7"; }, errc::unsupported,
             {"m.safetensors", "\"b\"", "Q7"});
  expect_bad([](json& j) { j["b"].erase("shape"); }, corrupt, {"\"b\"", "shape", "missing"});
  expect_bad([](json& j) { j["b"]["shape"] = {2, 4}; }, corrupt, {"\"b\"", "12", "16", "[2,4]"});
  expect_bad([](json& j) { j["b"]["shape"] = {-2, -3}; }, corrupt, {"\"b\"", "shape"});
  expect_bad(
      [](json& j) {
        j["b"]["shape"] = {1ull << 40, 1ull << 40};
      },
      corrupt, {"\"b\"", "more"});
  expect_bad([](json& j) { j["b"]["data_offsets"] = {0, 99}; }, corrupt, {"\"b\"", "[0,99]", "17"});
  expect_bad([](json& j) { j["b"]["data_offsets"] = {12, 0}; }, corrupt, {"\"b\"", "[12,0]"});
  expect_bad([](json& j) { j["b"]["data_offsets"] = {0}; }, corrupt, {"\"b\"", "[0]"});
  expect_bad(
      [](json& j) {
        j["b"]["data_offsets"] = {0, 12, 13};
      },
      corrupt, {"\"b\"", "data_offsets"});
  expect_bad([](json& j) { j["a"]["data_offsets"] = {8, 12}; }, corrupt, {"\"a\"", "overlap"});
  expect_bad([](json& j) { j.erase("b"); }, corrupt, {"\"a\"", "12", "gap"});
  expect_bad([](json& j) { j.erase("scalar"); }, corrupt, {"17 data bytes", "16"});
  expect_bad([](json& j) { j["b"] = 7; }, corrupt, {"\"b\"", "object"});
  expect_bad([](json& j) { j = json::array(); }, corrupt, {"m.safetensors", "object"});
}

TEST(Safetensors, ATruncatedFileIsNamedAtEveryLength) {
  const auto whole = good().bytes();
  for (auto n = std::size_t{0}; n < whole.size(); ++n)
    ASSERT_TRUE(fails(parse(whole.substr(0, n)), errc::corrupt, {"m.safetensors"})) << n;
  EXPECT_TRUE(succeeds(parse(whole)));
}

TEST(Safetensors, AnAbsurdHeaderLengthAllocatesNothing) {
  auto bytes = good().bytes();
  bytes.replace(0, 8, "\xff\xff\xff\xff\xff\xff\xff\x7f");
  EXPECT_TRUE(fails(parse(bytes), errc::corrupt, {"header length", "9223372036854775807"}));
}

} // namespace
} // namespace larql::import
