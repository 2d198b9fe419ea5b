// Mirrors runtime/vindex and runtime/experts from outside: a vindex that is not whole is refused by
// laptop and node with the file and the field named, exit code 1, and nothing crashes.

#include "tests/e2e/programs.hpp"
#include "tests/support/rotated_experts.hpp"

namespace larql::test {
namespace {

class DamagedVindex : public model_test {
protected:
  [[nodiscard]] fs::path file(const char* name) const { return vindex() / name; }

  void cut(const char* name, std::uint64_t bytes) const { set_file_size(file(name), bytes); }

  void overwrite(const char* name, std::uint64_t at, std::uint32_t word) const {
    overwrite_number(file(name), at, word);
  }

  void replace_text(const char* name, const std::string& from, const std::string& to) const {
    auto text = read_file(file(name));
    const auto at = text.find(from);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, from.size(), to);
    write_file(file(name), text);
  }

  static void expect_named(const finished& done, const words& parts) {
    EXPECT_EQ(done.code, 1) << done.err;
    EXPECT_EQ(done.out, "");
    for (const auto& part : parts)
      EXPECT_NE(done.err.find(part), std::string::npos) << part << " is not in: " << done.err;
  }
  void expect_laptop_refuses(const words& parts) const {
    expect_named(generate({"-n", "2", "-q"}), parts);
  }
  void expect_node_refuses(const words& parts) const {
    expect_named(run(larql_node({vindex().string(), "--port", "0"})), parts);
  }
  void expect_both_refuse(const words& parts) const {
    expect_laptop_refuses(parts);
    expect_node_refuses(parts);
  }
};

TEST_F(DamagedVindex, ATruncatedLayerFileIsRefused) {
  const auto whole = fs::file_size(file("layers/layer_03.weights"));
  for (const auto bytes : {std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{23}, std::uint64_t{24},
                           std::uint64_t{100}, whole / 2, whole - 1}) {
    cut("layers/layer_03.weights", bytes);
    expect_both_refuse({"layers/layer_03.weights"});
  }
}

TEST_F(DamagedVindex, AMissingLayerFileIsRefused) {
  fs::remove(file("layers/layer_05.weights"));
  expect_both_refuse({"layers/layer_05.weights", "No such file"});
}

TEST_F(DamagedVindex, ANodeNeedsOnlyTheLayersItOwns) {
  fs::remove(file("layers/layer_05.weights"));
  const auto node = start_node({"--layers", "0-4"});
  EXPECT_FALSE(node->address().empty());
}

TEST_F(DamagedVindex, FieldsOfALayerFileAreCheckedByName) {
  const auto* name = "layers/layer_00.weights";
  const auto good = read_file(file(name));
  const auto restore = [&] { write_file(file(name), good); };
  overwrite(name, 0, 0x12345678);
  expect_both_refuse({name, "magic is 12345678"});
  restore();
  overwrite(name, 4, 9);
  expect_both_refuse({name, "\"version\" is 9"});
  restore();
  overwrite(name, 8, 1000);
  expect_both_refuse({name, "\"format\" is 1000"});
  restore();
  overwrite(name, 12, 9);
  expect_both_refuse({name, "\"num_entries\" is 9, expected 8"});
  restore();
  overwrite(name, 16, 65);
  expect_both_refuse({name});
  restore();
  overwrite(name, 20, 512);
  expect_both_refuse({name});
}

TEST_F(DamagedVindex, ATableThatNamesOtherExpertsIsRefused) {
  const auto path = file("layers/layer_03.weights");
  const auto model = vindex::read_index(vindex());
  ASSERT_TRUE(model);
  rotate_experts(path, *vindex::read_layer_header(*larql::file::open(path), *model));
  expect_both_refuse({"layers/layer_03.weights", "table of experts", "checksums.json"});
  EXPECT_EQ(run(larql({"verify", vindex().string()})).code, 1);
}

TEST_F(DamagedVindex, ADamagedIndexIsRefused) {
  const auto good = read_file(file("index.json"));
  const auto restore = [&] { write_file(file("index.json"), good); };
  cut("index.json", good.size() / 2);
  expect_both_refuse({"index.json"});
  restore();
  replace_text("index.json", "\"num_experts\": 8", "\"num_experts\": -8");
  expect_both_refuse({"index.json", "num_experts"});
  restore();
  replace_text("index.json", "\"hidden_size\": 256", "\"hidden_size\": 512");
  expect_laptop_refuses({vindex().string()});
  restore();
  replace_text("index.json", "\"family\": \"gemma4\"", "\"family\": \"\\u001b[2Jllama\"");
  expect_both_refuse({"index.json", "family"});
  EXPECT_EQ(generate().err.find('\x1b'), std::string::npos);
  restore();
  fs::remove(file("index.json"));
  expect_node_refuses({"not a vindex"});
}

TEST_F(DamagedVindex, TruncatedWeightsOfTheLaptopAreRefused) {
  for (const auto* name :
       {"attn_weights_q4k.bin", "interleaved_q4k.bin", "embeddings.bin", "norms.bin"}) {
    const auto good = read_file(file(name));
    for (const auto bytes : {std::uint64_t{0}, std::uint64_t{good.size() - 1}}) {
      cut(name, bytes);
      const auto done = generate({"-n", "2", "-q"});
      EXPECT_EQ(done.code, 1) << name << " " << bytes;
      EXPECT_EQ(done.out, "") << name;
      EXPECT_NE(done.err.find(vindex().string()), std::string::npos) << done.err;
    }
    write_file(file(name), good);
  }
  EXPECT_EQ(generate({"-n", "2", "-q"}).code, 0);
}

TEST_F(DamagedVindex, DamagedManifestsAreRefused) {
  for (const auto* name : {"attn_weights_q4k_manifest.json", "interleaved_q4k_manifest.json",
                           "weight_manifest.json"}) {
    const auto good = read_file(file(name));
    for (const auto& bad : {std::string{}, good.substr(0, good.size() / 2), std::string{"[]"},
                            std::string{"{}"}, std::string(100000, '[')}) {
      write_file(file(name), bad);
      expect_laptop_refuses({name});
    }
    write_file(file(name), good);
  }
}

TEST_F(DamagedVindex, ADamagedTokenizerIsRefused) {
  const auto good = read_file(file("tokenizer.json"));
  for (const auto& bad : {std::string{}, good.substr(0, good.size() / 2), std::string{"[1]"}}) {
    write_file(file("tokenizer.json"), bad);
    expect_laptop_refuses({"tokenizer.json"});
  }
}

TEST_F(DamagedVindex, AScaleThatIsNotFiniteEndsTheRunWithTheExpertNamed) {
  // Every block of layer 0 gets the scale NaN; Q8_0 blocks have 34 bytes, the scale first.
  const auto* name = "layers/layer_00.weights";
  auto bytes = read_file(file(name));
  const auto table = 32 + 8 * 32; // header and table of version 2; version 1 is 8 shorter
  for (auto at = bytes.size(); at > table + 34u; at -= 34) {
    bytes[at - 34] = 0;
    bytes[at - 33] = 0x7e;
  }
  write_file(file(name), bytes);
  const auto expect_error = [](const finished& done, const words& parts) {
    EXPECT_EQ(done.code, 1) << done.err;
    for (const auto& part : parts)
      EXPECT_NE(done.err.find(part), std::string::npos) << part << " is not in: " << done.err;
  };
  expect_error(generate({"-n", "2", "-q"}), {name, "entry ", "NaN"});
  const auto node = start_node({"--name", "alpha"}); // reads headers only
  expect_error(generate({"-n", "2", "-q", "--moe-shards", node->owns("0-7")}),
               {"node alpha", name, "entry ", "NaN"});
}

} // namespace
} // namespace larql::test
