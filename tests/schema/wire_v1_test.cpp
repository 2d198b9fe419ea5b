// Mirrors schema/codec.hpp: frames that version 1 wrote mean for ever what they meant then.
//
// A message kind that is new in this version gets its file by running this test with
// LARQL_RECORD_WIRE=1; existing files are never written again.

#include "schema/codec.hpp"
#include "tests/schema/wire_v1.hpp"
#include "tests/support/message_text.hpp"
#include "tests/support/paths.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace larql::schema {
namespace {

std::filesystem::path path_of(const wire_v1::sample& s) {
  return test::source_dir() / "tests/wire/v1" / (s.name + ".bin");
}

void record_if_asked(const wire_v1::sample& s) {
  if (std::getenv("LARQL_RECORD_WIRE") == nullptr || std::filesystem::exists(path_of(s)))
    return;
  auto frame = std::vector<char>{};
  encode(s.message, frame);
  std::ofstream{path_of(s), std::ios::binary}.write(frame.data(),
                                                    static_cast<std::streamsize>(frame.size()));
}

class WireV1 : public testing::TestWithParam<wire_v1::sample> {};

TEST_P(WireV1, RecordedFrameDecodesToTheSameMessage) {
  record_if_asked(GetParam());
  auto in = std::ifstream{path_of(GetParam()), std::ios::binary};
  ASSERT_TRUE(in) << path_of(GetParam());
  const auto frame = std::vector<char>{std::istreambuf_iterator<char>{in}, {}};
  ASSERT_GT(frame.size(), frame_header_bytes);
  const auto length = decode_header(std::span{frame}.first(frame_header_bytes), max_frame_bytes);
  ASSERT_TRUE(length) << length.error().text;
  ASSERT_EQ(*length, frame.size() - frame_header_bytes);
  const auto body = std::vector<char>(frame.begin() + frame_header_bytes, frame.end());
  const auto decoded = decode(body);
  ASSERT_TRUE(decoded) << decoded.error().text;
  EXPECT_EQ(test::text_of(*decoded), test::text_of(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(EveryKind, WireV1, testing::ValuesIn(wire_v1::samples()),
                         [](const auto& i) { return i.param.name; });

TEST(WireV1Files, EveryRecordedFrameHasASample) {
  auto known = std::vector<std::string>{};
  for (const auto& s : wire_v1::samples())
    known.push_back(s.name + ".bin");
  for (const auto& f : std::filesystem::directory_iterator{test::source_dir() / "tests/wire/v1"})
    EXPECT_NE(std::find(known.begin(), known.end(), f.path().filename()), known.end()) << f.path();
}

} // namespace
} // namespace larql::schema
