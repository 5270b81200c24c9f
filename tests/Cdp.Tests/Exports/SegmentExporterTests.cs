using System.Text;
using System.Text.Json;
using Cdp.Exports;
using Cdp.Identity;
using Cdp.Storage;

namespace Cdp.Tests.Exports;

public sealed class SegmentExporterTests
{
    [Theory]
    [InlineData("gzip")]
    [InlineData("none")]
    public async Task FullCsv_HoldsExactlyTheMembers(string compression)
    {
        var world = World(40);

        var export = await world.ExportAsync(compression: compression);

        Assert.Equal(world.Members.Members.Select(id => ExportWorld.Expected(id, world.Members.Find(id))), export.Rows);
        Assert.Equal(["profileId", .. ExportWorld.Fields], export.Manifest.GetProperty("columns").EnumerateArray().Select(static c => c.GetString()));
        Assert.Equal(6, export.Manifest.GetProperty("parts").GetArrayLength());
        Assert.Equal("part-00005.csv" + (compression == "gzip" ? ".gz" : ""), export.Manifest.GetProperty("parts")[5].GetProperty("name").GetString());
        Assert.False(export.Manifest.TryGetProperty("entered", out _));
    }

    [Fact]
    public async Task JsonLines_KeepValuesAsTheyAre_AndLeaveMissingOnesOut()
    {
        var world = World(3);

        var export = await world.ExportAsync(format: "jsonl");

        var row = export.Rows.Single(static row => row["profileId"].EndsWith("02\"", StringComparison.Ordinal));
        Assert.Equal("\"=u2\"", row["user_id"]);
        Assert.Equal("[\"new2@shop.example\",\"old2@shop.example\"]", row["email[]"]);
        Assert.Equal("{\"city\":\"Bonn 2\",\"tags\":[1,2]}", row["traits.address"]);
        Assert.Equal("-1.50", row["traits.balance"]);
        Assert.Equal("12345678901234567890.10", row["orders-90d"]);
        Assert.DoesNotContain("phone", row.Keys);
    }

    [Fact]
    public async Task ASegmentWithoutMembers_HasAManifest()
    {
        var export = await World(0).ExportAsync();

        Assert.Empty(export.Rows);
        Assert.Equal(0, export.Manifest.GetProperty("parts").GetArrayLength());
    }

    [Fact]
    public async Task TheManifest_SaysWhatTheContractSays()
    {
        var world = World(3);
        await world.ExportAsync();
        world.Time.Advance(TimeSpan.FromHours(1));
        world.Members.Put(0, version: 1, member: false);

        var started = await world.StartAsync("delta", fields: ["email"]);
        var manifest = (await world.RunAsync(started)).Manifest;

        Assert.Equal(
            ["version", "exportId", "segmentId", "definitionVersion", "mode", "previousExportId", "asOf", "format", "compression", "columns", "rows", "entered", "exited", "parts", "completedAt"],
            manifest.EnumerateObject().Select(static member => member.Name));
        Assert.Equal(started.Id, manifest.GetProperty("exportId").GetString());
        Assert.Equal("2026-03-01T07:00:00.000Z", manifest.GetProperty("asOf").GetString());
        Assert.Equal("""["profileId","change","email"]""", manifest.GetProperty("columns").GetRawText());
        Assert.Equal("vip/20260301T070000000Z/", started.Folder);
    }

    /// <summary>Against an oracle: the difference of two states, whatever changed between them.</summary>
    [Fact]
    public async Task Deltas_OfRandomChanges_AreTheSetDifference()
    {
        for (var seed = 0; seed < 40; seed++)
        {
            var random = new Random(seed);
            var world = new ExportWorld();
            var before = new Dictionary<string, Dictionary<string, string>>(StringComparer.Ordinal);
            string? previous = null;
            for (var round = 0; round < 4; round++)
            {
                for (var i = random.Next(60); i > 0; i--)
                {
                    if (random.Next(10) == 0)
                        world.Members.Remove(random.Next(50));
                    else
                        world.Members.Put(random.Next(50), random.Next(2), random.Next(3) > 0);
                }

                world.Time.Advance(TimeSpan.FromMilliseconds(random.Next(2)));
                var now = world.Members.Members.ToDictionary(static id => id, id => ExportWorld.Expected(id, world.Members.Find(id)), StringComparer.Ordinal);
                var full = random.Next(4) == 0;
                var started = await world.StartAsync(full ? "full" : "delta", random.Next(2) == 0 ? "csv" : "jsonl");
                var export = await world.RunAsync(started);

                if (!full)
                {
                    var expected = now.Where(member => !before.TryGetValue(member.Key, out var was) || !Same(was, member.Value))
                        .Select(member => (member.Key, before.ContainsKey(member.Key) ? "updated" : "entered"))
                        .Concat(before.Keys.Except(now.Keys).Select(static id => (id, "exited")))
                        .Order()
                        .Prepend(($"seed {seed}", ""));
                    var found = export.Rows.Select(static row => (row["profileId"].Trim('"'), row["change"].Trim('"'))).Order();
                    Assert.Equal(expected, found.Prepend(($"seed {seed}", "")));
                    Assert.Equal(previous, export.Manifest.TryGetProperty("previousExportId", out var since) ? since.GetString() : null);
                    Assert.Equal(now.Keys.Except(before.Keys).Count(), export.Manifest.GetProperty("entered").GetInt32());
                    Assert.Equal(before.Keys.Except(now.Keys).Count(), export.Manifest.GetProperty("exited").GetInt32());
                    if (started.Request.Format == "csv")
                        Assert.All(export.Rows, row => Assert.Equal(ExportWorld.Expected(row["profileId"], world.Members.Find(row["profileId"]), row["change"]), row));
                }

                (before, previous) = (now, started.Id);
                // Of what deltas need, only the latest is kept.
                Assert.All(
                    world.Store.Blobs(ContainerName.Exports).Keys.Where(static name => name.StartsWith('_')),
                    name => Assert.StartsWith($"_members/vip/{started.Id}/", name, StringComparison.Ordinal));
            }
        }

        static bool Same(Dictionary<string, string> a, Dictionary<string, string> b) => a.Count == b.Count && a.All(cell => b.TryGetValue(cell.Key, out var other) && other == cell.Value);
    }

    [Fact]
    public async Task ADelta_WithOtherColumns_UpdatesEverybody()
    {
        var world = World(5);
        await world.ExportAsync(fields: ["email"]);
        Assert.Empty((await world.ExportAsync("delta", fields: ["email"])).Rows);

        var delta = await world.ExportAsync("delta", fields: ["email", "phone"]);

        Assert.Equal(5, delta.Rows.Count);
        Assert.All(delta.Rows, static row => Assert.Equal("updated", row["change"]));
    }

    [Fact]
    public async Task OutOfTime_GoesOnWhereItWas_AndComesToAnEnd()
    {
        var world = World(40);
        var export = await world.StartAsync();
        var messages = 1;

        for (; await world.Exporter().RunAsync(export.Id, new Deadline(TimeProvider.System, TimeSpan.Zero), default) == ExportProgress.Unfinished; messages++)
            Assert.Null(world.Read(export));

        Assert.Equal(world.Members.Members.Select(id => ExportWorld.Expected(id, world.Members.Find(id))), world.Read(export)!.Rows);
        Assert.Equal(40, messages);
        // Nobody died, so no number was left out.
        Assert.Equal("part-00039.csv.gz", world.Read(export)!.Manifest.GetProperty("parts")[39].GetProperty("name").GetString());
    }

    [Fact]
    public async Task PartsAreBounded_ByBytesToo()
    {
        var world = World(400);
        var export = await world.StartAsync(compression: "none");

        await world.Exporter(new ExportLimits { BytesPerPart = 20_000 }).RunAsync(export.Id, new Deadline(TimeProvider.System, TimeSpan.MaxValue), default);

        var parts = world.Read(export)!.Manifest.GetProperty("parts").EnumerateArray().Select(static part => part.GetProperty("bytes").GetInt64()).ToList();
        Assert.True(parts.Count > 1);
        // Beyond the limit goes only what was in buffers when it was reached.
        Assert.All(parts, static bytes => Assert.InRange(bytes, 1, 20_000 + (80 * 1024)));
    }

    [Fact]
    public async Task ManyExports_OfOneSegmentAtOneTime_HaveFoldersOfTheirOwn()
    {
        var world = World(3);
        var exports = new[] { await world.StartAsync(), await world.StartAsync(), await world.StartAsync("delta") };

        foreach (var export in exports.Reverse())
            await world.WorkAsync(export);

        Assert.Equal(3, exports.Select(static export => export.Folder).Distinct(StringComparer.Ordinal).Count());
        Assert.All(exports, export => Assert.Equal(3, world.Read(export)!.Rows.Count));
        var next = await world.StartAsync("delta");
        Assert.Equal(exports[2].Id, next.Since);
    }

    [Fact]
    public async Task AFailedExport_IsNotGoneOnWith_AndIsNoBasisOfADelta()
    {
        var world = World(10);
        var first = await world.StartAsync();
        await world.WorkAsync(first);
        var failed = await world.StartAsync();
        await world.Exporter().RunAsync(failed.Id, new Deadline(TimeProvider.System, TimeSpan.Zero), default);

        await world.Exports.FailAsync(failed.Id, "poisoned", default);
        await world.Exports.FailAsync(first.Id, "too late", default);

        Assert.Equal(ExportProgress.Done, await world.WorkAsync(failed));
        Assert.Null(world.Read(failed));
        Assert.Equal((ExportState.Failed, "poisoned"), ((await world.Exports.GetAsync(failed.Id, default))!.State, (await world.Exports.GetAsync(failed.Id, default))!.Reason));
        Assert.Equal(ExportState.Done, (await world.Exports.GetAsync(first.Id, default))!.State);
        var next = await world.StartAsync("delta");
        Assert.Equal(first.Id, next.Since);

        await world.WorkAsync(next);
        Assert.DoesNotContain(world.Store.Blobs(ContainerName.Exports).Keys, name => name.StartsWith(failed.Folder, StringComparison.Ordinal) || name.Contains(failed.Id, StringComparison.Ordinal));
        Assert.NotNull(world.Read(first));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task TheStatus_IsThatOfTheContract(bool done)
    {
        var world = World(3);
        var export = await world.StartAsync();
        if (done)
            await world.WorkAsync(export);
        var buffer = new MemoryStream();
        var link = new Uri("https://account.blob.core.windows.net/exports/x?sig=a");

        using (var json = new Utf8JsonWriter(buffer))
            ExportStatus.Write(json, (await world.Exports.GetAsync(export.Id, default))!, done ? new ExportDownload(world.Time.GetUtcNow(), link, [link]) : null);

        const string Head = "\"segmentId\":\"vip\",\"state\":\"{0}\",\"mode\":\"full\",\"definitionVersion\":4,\"asOf\":\"2026-03-01T06:00:00.000Z\",\"rows\":{1},\"parts\":{2},\"startedAt\":\"2026-03-01T06:00:00.000Z\"";
        Assert.Equal(
            $"{{\"id\":\"{export.Id}\"," + (done
                ? string.Format(System.Globalization.CultureInfo.InvariantCulture, Head, "done", 3, 1) + ",\"completedAt\":\"2026-03-01T06:00:00.000Z\",\"download\":{\"expiresAt\":\"2026-03-01T06:00:00.000Z\",\"manifest\":\"https://account.blob.core.windows.net/exports/x?sig=a\",\"parts\":[\"https://account.blob.core.windows.net/exports/x?sig=a\"]}"
                : string.Format(System.Globalization.CultureInfo.InvariantCulture, Head, "running", 0, 0)) + "}",
            Encoding.UTF8.GetString(buffer.ToArray()));
    }

    [Fact]
    public async Task Stalled_AreThoseThatNobodyWorksOn()
    {
        var world = World(3);
        var lost = await world.StartAsync();
        world.Time.Advance(TimeSpan.FromMinutes(20));
        await world.StartAsync();
        await world.ExportAsync();

        Assert.Equal([lost.Id], await world.Exports.StalledAsync(Cdp.Events.Instant.Now(world.Time).Plus(-TimeSpan.FromMinutes(10)), default));
    }

    [Fact]
    public async Task AScheduledTime_IsObeyedOnce()
    {
        var world = World(1);
        var due = Cdp.Events.Instant.Now(world.Time);
        var request = new ExportRequest("vip", 1, "csv", "full", "gzip", ExportWorld.Columns());

        Assert.NotNull(await world.Exports.StartAsync(request, due, default));
        Assert.Null(await world.Exports.StartAsync(request, due, default));
        Assert.NotNull(await world.Exports.StartAsync(request, due.Plus(TimeSpan.FromMinutes(1)), default));
        Assert.NotNull(await world.Exports.StartAsync(request, null, default));
    }

    [Fact]
    public async Task MembersOutOfOrder_AreRefused()
    {
        var world = World(5);
        var members = new Moq.Mock<IExportMembers>();
        members.Setup(m => m.ReadAsync(Moq.It.IsAny<ExportRequest>(), null, default)).Returns(new[] { ListedMembers.Member(1, 1), ListedMembers.Member(1, 1) }.ToAsyncEnumerable());
        var export = await world.StartAsync();
        var exporter = new SegmentExporter(world.Exports, world.Store, members.Object, new Cdp.Ids.IdGenerator(world.Time), world.Time);

        await Assert.ThrowsAsync<InvalidDataException>(() => exporter.RunAsync(export.Id, new Deadline(TimeProvider.System, TimeSpan.MaxValue), default));
    }

    [Fact]
    public void Fields_ThatNameNothing_AreReported_AndTheIdComesFirst()
    {
        var columns = ExportColumn.Of(["email[]", "nothing", "profileId", "traits.", "traits.a.b", "email[]", "recency", "nothing[]"], IdentityRules.Default, static id => id == "recency", out var unknown);

        Assert.Equal(
            [
                new("profileId", ExportColumnKind.ProfileId, ""), new("email[]", ExportColumnKind.Identifiers, "email"), new("nothing", ExportColumnKind.ComputedTrait, "nothing"),
                new("traits.", ExportColumnKind.ComputedTrait, "traits."), new("traits.a.b", ExportColumnKind.Trait, "a.b"), new("recency", ExportColumnKind.ComputedTrait, "recency"),
                new("nothing[]", ExportColumnKind.ComputedTrait, "nothing[]"),
            ],
            columns.AsEnumerable());
        Assert.Equal(["nothing", "traits.", "nothing[]"], unknown.AsEnumerable());
    }

    [Theory]
    [InlineData("=1+1", "'=1+1")]
    [InlineData("+SUM(A1)", "'+SUM(A1)")]
    [InlineData("-2+3", "'-2+3")]
    [InlineData("@SUM(A1)", "'@SUM(A1)")]
    [InlineData("\t=1", "'\t=1")]
    [InlineData("\r=1", "'\r=1")]
    [InlineData("+4915112345678", "+4915112345678")]
    [InlineData("+4915112345678\n", "'+4915112345678\n")]
    [InlineData("+0123", "'+0123")]
    [InlineData("+1234567890123456", "'+1234567890123456")]
    [InlineData("-1.5e-7", "-1.5e-7")]
    [InlineData("-01", "'-01")]
    [InlineData("+1", "'+1")]
    [InlineData("-", "'-")]
    [InlineData("a=1", "a=1")]
    [InlineData("", "")]
    public void Formulas_AreNeutralised_NumbersAndPhoneNumbersAreNot(string cell, string written) => Assert.Equal(written, CsvRows.Neutralise(cell));

    /// <summary>What only JSON can say becomes the replacement character, and the file stays valid UTF-8.</summary>
    [Theory]
    [InlineData("csv")]
    [InlineData("jsonl")]
    public async Task LoneSurrogates_DoNoHarm(string format)
    {
        var world = World(1);
        var profile = world.Members.Find(ListedMembers.Id(0).Value)!.Profile;
        profile.Traits["name"] = new Cdp.Profiles.Trait("\"a\\ud800b\""u8.ToArray(), default, "m", "web");
        profile.Identifiers.Add(new Cdp.Profiles.OwnedIdentifier(new Identifier("email", "x\ud800@y"), default, default, "web", "m", default));

        var row = Assert.Single((await world.ExportAsync(format: format, fields: ["email", "traits.name"])).Rows);

        Assert.Equal(format == "csv" ? "a\uFFFDb" : "\"a\\ud800b\"", row["traits.name"]);
        Assert.Equal(format == "csv" ? "x\uFFFD@y" : "\"x\uFFFD@y\"", row["email"].Replace("\\uFFFD", "\uFFFD", StringComparison.Ordinal));
    }

    internal static ExportWorld World(int members)
    {
        var world = new ExportWorld();
        for (var i = 0; i < members; i++)
            world.Members.Put(i, version: 1, member: true);
        return world;
    }
}
