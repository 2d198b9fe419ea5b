// Mirrors runtime/vindex/checksums.hpp and checksum_writer.hpp.

#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/package/checksum_writer.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/json_text.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::vindex {
namespace {

namespace fs = std::filesystem;
using test::fails;
using test::succeeds;

sha256_digest digest_of(std::string_view text) {
  return hash_bytes(std::as_bytes(std::span{text}));
}

checksums example() {
  auto c = checksums{};
  c.files["index.json"] = {12, digest_of("index")};
  c.files["layers/layer_00.weights"] = {34, digest_of("layer")};
  c.layers[0] = {digest_of("head"), {digest_of("a"), digest_of("b")}};
  c.layers[3] = {digest_of("other"), {digest_of("c"), std::nullopt}};
  return c;
}

std::string changed(const std::function<void(json&)>& edit) {
  auto parsed = test::parse_json_text(write_checksums(example()));
  edit(parsed);
  return test::json_text(parsed);
}

TEST(Checksums, WhatIsWrittenIsRead) {
  const auto read = parse_checksums(write_checksums(example()), "c");
  ASSERT_TRUE(succeeds(read));
  EXPECT_EQ(*read, example());
  EXPECT_EQ(to_hex(read->files.at("index.json").sha256), to_hex(digest_of("index")));
}

TEST(Checksums, TheDigestIsThatOfThePublishedExample) { // FIPS 180-2, "abc"
  EXPECT_EQ(to_hex(digest_of("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Checksums, EveryBadFieldIsNamed) {
  const auto bad = [](const std::function<void(json&)>& edit,
                      std::initializer_list<std::string_view> parts) {
    EXPECT_TRUE(fails(parse_checksums(changed(edit), "sums"), errc::corrupt, parts));
  };
  EXPECT_TRUE(fails(parse_checksums(changed([](json& j) { j["version"] = 2; }), "sums"),
                    errc::unsupported, {"sums", "version", "2", "1"}));
  bad([](json& j) { j.erase("files"); }, {"sums", "files", "missing"});
  bad([](json& j) { j["files"]["../etc/passwd"] = j["files"]["index.json"]; },
      {"files", "../etc/passwd"});
  bad([](json& j) { j["files"]["index.json"]["bytes"] = -1; }, {"index.json", "bytes", "-1"});
  bad([](json& j) { j["files"]["index.json"]["sha256"] = "abc"; },
      {"index.json", "sha256", "\"abc\"", "64 hexadecimal digits"});
  bad([](json& j) { j["layers"][1]["layer"] = 0; }, {"layers[1]", "layer", "0", "before"});
  bad([](json& j) { j["layers"][1]["layer"] = 512; }, {"layers[1]", "512", "511"});
  bad([](json& j) { j["layers"][0]["head"] = 7; }, {"layers[0]", "head", "7"});
  bad([](json& j) { j["layers"][0]["experts"][1] = "xyz"; }, {"layers[0]", "experts[1]", "xyz"});
  bad([](json& j) { j["layers"][1]["experts"].push_back(nullptr); }, {"layers[1]", "3", "2"});
  bad([](json& j) { j["layers"][1]["experts"] = json::array(); }, {"layers[1]", "experts", "0"});
  EXPECT_TRUE(fails(parse_checksums("{", "sums"), errc::corrupt, {"sums", "JSON"}));
}

TEST(Checksums, FileNamesStayInsideTheDirectory) {
  for (const auto* good : {"index.json", "layers/layer_00.weights", "a-b_C.9", "..a/b"})
    EXPECT_TRUE(is_file_name(good)) << good;
  for (const auto* bad :
       {"", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".", "a\\b", "a b", "a\nb"})
    EXPECT_FALSE(is_file_name(bad)) << bad;
  EXPECT_FALSE(is_file_name(std::string(256, 'a')));
}

TEST(Checksums, TheWeightsDigestNeedsEveryExpertAndNothingElse) {
  auto c = example();
  EXPECT_EQ(weights_digest(c), ""); // an expert is unknown
  EXPECT_EQ(weights_digest({}), "");
  c.layers[3].experts[1] = digest_of("d");
  const auto all = weights_digest(c);
  EXPECT_EQ(all.size(), 64u);
  auto slice = c;
  slice.files.clear();
  slice.layers[0].head = digest_of("another layout");
  EXPECT_EQ(weights_digest(slice), all);
  std::swap(slice.layers[0].experts[0], slice.layers[0].experts[1]);
  EXPECT_NE(weights_digest(slice), all);
}

TEST(Checksums, ExtractHashesEveryFileAndEveryExpert) {
  for (const auto quant : {quant_kind::lossless, quant_kind::q4k}) {
    const auto v = test::tiny_vindex{test::tiny_options{}, quant};
    const auto sums = read_checksums(v.path());
    ASSERT_TRUE(succeeds(sums));
    ASSERT_TRUE(sums->has_value());
    auto files = (*sums)->files;
    for (const auto& [name, content] : test::read_tree(v.path())) {
      if (name == checksums_file)
        continue;
      ASSERT_TRUE(files.contains(name)) << name;
      EXPECT_EQ(files.at(name).bytes, content.size()) << name;
      EXPECT_EQ(files.at(name).sha256, digest_of(content)) << name;
      files.erase(name);
    }
    EXPECT_TRUE(files.empty()) << files.begin()->first;
    ASSERT_EQ((*sums)->layers.size(), 3u);
    for (const auto& [number, layer] : (*sums)->layers) {
      const auto content = test::read_file(v / layer_file_name(number));
      const auto h = read_layer_header(*file::open(v / layer_file_name(number)), v.config());
      ASSERT_TRUE(succeeds(h));
      EXPECT_EQ(layer.head, digest_of(content.substr(0, h->table_bytes)));
      ASSERT_EQ(layer.experts.size(), 8u);
      for (auto e = 0u; e < 8; ++e) {
        const auto& at = h->entries[e];
        EXPECT_EQ(layer.experts[e], digest_of(content.substr(at.gate_up_offset, h->gate_up_bytes) +
                                              content.substr(at.down_offset, h->down_bytes)));
      }
    }
  }
}

TEST(Checksums, AVindexWithoutThemHasNone) {
  const auto v = test::tiny_vindex{};
  fs::remove(v / checksums_file);
  const auto sums = read_checksums(v.path());
  ASSERT_TRUE(succeeds(sums));
  EXPECT_FALSE(sums->has_value());
}

TEST(ChecksumWriter, HolesCountAsZerosAndTakeNoSpace) {
  const auto dir = test::temporary_directory{};
  auto pool = compute_pool{2};
  auto out = checksum_writer::create(dir / "f", pool);
  ASSERT_TRUE(succeeds(out));
  const auto text = std::string(300'000, 'x');
  const auto bytes = std::as_bytes(std::span{text});
  ASSERT_TRUE(succeeds(out->write(bytes)));
  EXPECT_EQ(out->end_part(), digest_of(text));
  ASSERT_TRUE(succeeds(out->skip(5'000'000)));
  ASSERT_TRUE(succeeds(out->write(bytes.first(10))));
  EXPECT_EQ(out->end_part(), digest_of("xxxxxxxxxx"));
  ASSERT_TRUE(succeeds(out->skip(7)));
  const auto sum = out->sum();
  ASSERT_TRUE(succeeds(out->commit()));
  const auto want = text + std::string(5'000'000, '\0') + "xxxxxxxxxx" + std::string(7, '\0');
  EXPECT_EQ(test::read_file(dir / "f"), want);
  EXPECT_EQ(sum, (file_checksum{want.size(), digest_of(want)}));
}

} // namespace
} // namespace larql::vindex
