using System.Buffers;
using System.Text;
using System.Text.Json;
using Cdp.Catalog;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Storage;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Catalog;

public sealed class CatalogTests : IDisposable
{
    private readonly SettableTime time = new(World.TestStart);
    private readonly FakeStore store;
    private readonly List<CatalogRecorder> recorders = [];
    private readonly CatalogRecorder recorder;
    private int messages;

    public CatalogTests()
    {
        store = new FakeStore(time);
        recorder = NewRecorder();
    }

    public void Dispose() => recorders.ForEach(r => r.Dispose());

    [Fact]
    public async Task Note_NamesEveryPath_WithTypesTimesAndSources()
    {
        Track("Order Completed", """{"total":12.5,"paid":true,"at":"2026-01-02T03:04:05Z","none":null,"products":[{"category":"a"},{"category":"b","tags":["x"]}]}""");
        time.Advance(TimeSpan.FromHours(1));
        Track("Order Completed", """{"total":"12"}""", source: "till");

        var order = await EntryAsync("Order Completed");
        Assert.Equal("2", order.GetProperty("count").GetRawText());
        Assert.Equal("""[{"id":"till","count":1},{"id":"web","count":1}]""", order.GetProperty("sources").GetRawText());
        Assert.Equal("2026-03-04T05:06:07.000Z 2026-03-04T06:06:07.000Z", $"{order.GetProperty("firstSeenAt").GetString()} {order.GetProperty("lastSeenAt").GetString()}");
        Assert.Equal(
            """
            properties.at {"time":1}
            properties.none {"null":1}
            properties.paid {"boolean":1}
            properties.products {"list":1}
            properties.products[] {"object":2}
            properties.products[].category {"string":2}
            properties.products[].tags {"list":1}
            properties.products[].tags[] {"string":1}
            properties.total {"string":1,"number":1}
            """,
            Paths(order));
        var total = Property(order, "properties.total");
        Assert.Equal("""["till","web"]""", total.GetProperty("sources").GetRawText());
        Assert.Equal("2026-03-04T06:06:07.000Z", total.GetProperty("lastSeenAt").GetString());
        Assert.Equal("[12.5]", total.GetProperty("examples").GetRawText());
    }

    [Fact]
    public async Task Note_OtherCalls_AreNamedByTheirType_AndLinksAreNot()
    {
        Note("""{"type":"page","properties":{"title":"t"}}""");
        Note("""{"type":"screen"}""");
        Note("""{"type":"identify","traits":{"plan":"gold"},"properties":{"no":1}}""");
        Note("""{"type":"group","traits":{"seats":5}}""");
        Note("""{"type":"alias","previousId":"a"}""");
        var entries = await EntriesAsync();
        Assert.Equal("$group $identify $page $screen", string.Join(' ', entries.Select(e => e.GetProperty("event").GetString())));
        Assert.Equal("traits.seats {\"number\":1}", Paths(entries[0]));
        Assert.Equal("traits.plan {\"string\":1}", Paths(entries[1]));
    }

    [Fact]
    public async Task Examples_TextIsShown_OnceFivePeopleHadIt()
    {
        for (var person = 1; person <= 4; person++)
        {
            Track("Viewed", """{"category":"outdoor"}""", profile: person);
            Track("Viewed", """{"category":"outdoor"}""", profile: person);
        }

        var category = Property(await EntryAsync("Viewed"), "properties.category");
        Assert.Equal("""[] ["x"]""", $"{category.GetProperty("examples")} {category.GetProperty("forms")}");
        Assert.DoesNotContain("outdoor", Stored(), StringComparison.Ordinal);

        // The fifth comes to another instance.
        var other = NewRecorder();
        Track("Viewed", """{"category":"outdoor"}""", profile: 5, to: other);
        await other.FlushAsync(CancellationToken.None);
        category = Property(await EntryAsync("Viewed"), "properties.category");
        Assert.Equal("""["outdoor"]""", category.GetProperty("examples").GetRawText());
    }

    [Theory]
    [InlineData("properties", "email", "\"ann.smith@shop.example\"", "x.x@x.x")]
    [InlineData("properties", "anything", "\"ann.smith@shop.example\"", "x.x@x.x")]
    [InlineData("properties", "anything", "\"+49 89 123456\"", "+9 9 9")]
    [InlineData("properties", "anything", "\"f47ac10b58cc4372a567\"", "x9x9x9x9x9")]
    [InlineData("properties", "anything", "\"192.168.0.1\"", "9.9.9.9")]
    [InlineData("properties", "anything", "\"https://shop.example/?mail=a\"", "x:/x.x/?x=x")]
    [InlineData("properties", "anything", "4915112345678", "9")]
    [InlineData("properties", "orderId", "\"A-17\"", "X-9")]
    [InlineData("properties", "orderId", "17", "9")]
    [InlineData("properties", "customer", """{"name":"Ann"}""", "Xx")]
    [InlineData("properties", "first_name", "\"Ann\"", "Xx")]
    [InlineData("properties", "birthday", "\"1990-01-02\"", "9-9-9")]
    [InlineData("traits", "name", "\"Ann Smith\"", "Xx Xx")]
    [InlineData("traits", "zip", "80331", "9")]
    [InlineData("traits", "lastName", "\"O'Brien\"", "X'Xx")]
    public async Task Examples_OfPersonalData_AreForms_HoweverManyHadIt(string part, string name, string value, string form)
    {
        for (var person = 1; person <= 30; person++)
            Note($$$"""{"type":"{{{(part == "traits" ? "identify" : "track")}}}","event":"Viewed","{{{part}}}":{"{{{name}}}":{{{value}}}}}""", profile: person);
        var properties = (await EntriesAsync())[0].GetProperty("properties").EnumerateArray().ToList();
        var last = properties[^1];
        Assert.Equal("[]", last.GetProperty("examples").GetRawText());
        Assert.Contains(form, last.GetProperty("forms").EnumerateArray().Select(f => f.GetString()), StringComparer.Ordinal);
        Assert.DoesNotContain("Ann", Stored(), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Examples_OfATrait_AreShownWhereItIsAnEnumeration()
    {
        for (var person = 0; person < 300; person++)
            Note($$$"""{"type":"identify","traits":{"plan":"{{{(person % 2 == 0 ? "gold" : "free")}}}","whatever":"Name{{{person % 25}}}","age":{{{30 + (person % 3)}}}}}""", profile: person);
        var identify = await EntryAsync("$identify");
        Assert.Equal("""["gold","free"]""", Property(identify, "traits.plan").GetProperty("examples").GetRawText());
        Assert.Equal("[30,31,32]", Property(identify, "traits.age").GetProperty("examples").GetRawText());
        // 25 different ones, each of 12 people: no enumeration.
        Assert.Equal("[]", Property(identify, "traits.whatever").GetProperty("examples").GetRawText());
        Assert.DoesNotContain("Name1", Stored(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Examples_OfManyTexts_ShowThoseThatManyHad()
    {
        for (var i = 0; i < 40; i++)
        {
            Track("Viewed", $$"""{"product":"rare {{i}}"}""", profile: i);
            Track("Viewed", """{"product":"boots"}""", profile: i);
            await recorder.FlushAsync(CancellationToken.None);
        }

        Assert.Equal("""["boots"]""", Property(await EntryAsync("Viewed"), "properties.product").GetProperty("examples").GetRawText());
    }

    [Fact]
    public async Task Names_ThatAreNoneOrPersonal_AreCountedTogether()
    {
        Track("mail of ann@shop.example", "{}");
        Track("Order 1234567 viewed", "{}");
        Track("$page", "{}");
        Track(new string('n', 129), "{}");
        Track("Viewed", """{"ann@shop.example":1,"a.b":1,"c[]":1,"":1,"fine":1,"half\ud800":1,"LONG":1}""".Replace("LONG", new string('n', 65), StringComparison.Ordinal));
        var entries = await EntriesAsync();
        Assert.Equal("$other 4, Viewed 1", string.Join(", ", entries.Select(e => $"{e.GetProperty("event").GetString()} {e.GetProperty("count")}")));
        Assert.Equal("properties.fine {\"number\":1}", Paths(entries[1]));
        Assert.Equal(6, entries[1].GetProperty("unnamed").GetInt32());
    }

    [Fact]
    public async Task Flood_OfNames_IsBoundedInMemoryAndRows_AndCostsOtherSourcesNothing()
    {
        for (var round = 0; round < 3; round++)
        {
            for (var i = 0; i < 5_000; i++)
                Track($"random {round}-{i}", """{"a":1}""", source: "evil");
            Track("Viewed", "{}", source: "shop");
            await recorder.FlushAsync(CancellationToken.None);
        }

        var entries = await EntriesAsync();
        Assert.Equal(CatalogLimits.Names, entries.Count(e => e.GetProperty("event").GetString()!.StartsWith("random", StringComparison.Ordinal)));
        Assert.Equal(15_000, entries.Where(e => e.GetProperty("event").GetString() != "Viewed").Sum(e => e.GetProperty("count").GetInt32()));
        Assert.True(store.Snapshot().Count(row => row.Table == TableName.Catalog) <= CatalogLimits.Names + 5);
    }

    [Fact]
    public void Flood_IsBoundedInMemory_HoweverLongNothingIsWritten()
    {
        var notes = new CatalogNotes();
        for (var i = 0; i < 50_000; i++)
        {
            var json = $$"""{"type":"track","event":"{{(i % 2 == 0 ? $"name {i}" : $"name {i % 600}")}}","messageId":"m","sourceId":"web","timestamp":"2026-03-04T05:06:07.000Z","receivedAt":"2026-03-04T05:06:07.000Z","properties":{"p {{i}}":1} }""";
            notes.Add(Event.Parse(Encoding.UTF8.GetBytes(json)), Profile(1));
        }

        // One more for all others.
        Assert.Equal(CatalogLimits.HeldNames + 1, notes.Events.Count);
        Assert.InRange(notes.Events.Sum(e => e.Properties.CountProperties()), 1, CatalogLimits.HeldProperties + CatalogLimits.HeldNames + 1);
        Assert.Equal(50_000, notes.Events.Sum(e => e.Count));
    }

    [Fact]
    public async Task Flood_OfProperties_FitsIntoARow()
    {
        for (var i = 0; i < 400; i++)
        {
            var members = Enumerable.Range(0, 50).Select(p => $"\"{new string('\u00fc', 27)} {i:000}{p:00}\":\"{new string('\u4e2d', 30)}{i % 25:00}\"");
            for (var person = 0; person < 5; person++)
                Track("Viewed", $$"""{{{string.Join(',', members)}}}""", profile: person);
            if (i % 40 == 0)
                await recorder.FlushAsync(CancellationToken.None);
        }

        var entry = await EntryAsync("Viewed");
        Assert.Equal(CatalogLimits.Properties, entry.GetProperty("properties").GetArrayLength());
        Assert.Equal(100_000, entry.GetProperty("unnamed").GetInt32() + entry.GetProperty("properties").EnumerateArray().Sum(p => p.GetProperty("count").GetInt32()));
        Assert.True(store.Snapshot().Max(row => row.Data.Length) < StorageLimits.RowBytes);
    }

    [Fact]
    public void LargestRow_FitsIntoTheStorage()
    {
        var events = new SeenEvents { Name = new string('\u4e2d', CatalogLimits.NameLength), Properties = new SeenProperty { Members = [] } };
        var text = new string('\u4e2d', CatalogLimits.TextLength);
        for (var i = 0; i < CatalogLimits.Properties; i++)
        {
            events.Properties.Members.Add($"{i:000}".PadRight(CatalogLimits.PropertyNameLength / 3, '\u4e2d'), new SeenProperty
            {
                Numbers = [.. Enumerable.Repeat("123456.7890123", CatalogLimits.Examples)],
                Forms = [.. Enumerable.Repeat(new string('?', PersonalData.FormLength), CatalogLimits.Examples)],
                Texts = [.. Enumerable.Range(0, CatalogLimits.Texts).Select(t => new SeenText
                {
                    Digest = uint.MaxValue, Shown = t < CatalogLimits.ShownTexts ? text : null, People = t < CatalogLimits.ShownTexts ? [] : [.. Enumerable.Repeat(uint.MaxValue, CatalogLimits.PeopleOfText - 1)],
                })],
            });
        }

        Assert.InRange(JsonSerializer.SerializeToUtf8Bytes(events, CatalogJson.Compact.SeenEvents).Length, 300_000, StorageLimits.RowBytes);
    }

    [Fact]
    public async Task Flush_OfTwoInstancesAtOnce_LosesNothing()
    {
        var other = NewRecorder();
        Track("Viewed", """{"a":1}""");
        Track("Viewed", """{"b":1}""", to: other);
        var nested = false;
        store.Before = async call =>
        {
            // In between of the other's reading and writing.
            if (nested || call.Operation != StoreOperation.Commit)
                return;
            nested = true;
            await other.FlushAsync(CancellationToken.None);
        };
        await recorder.FlushAsync(CancellationToken.None);
        store.Before = null;
        var entry = await EntryAsync("Viewed");
        Assert.Equal(2, entry.GetProperty("count").GetInt32());
        Assert.Equal("properties.a {\"number\":1}\nproperties.b {\"number\":1}", Paths(entry));
    }

    [Fact]
    public async Task Flush_ManyInstancesAtOnce_CountExactly()
    {
        var many = Enumerable.Range(0, 6).Select(_ => NewRecorder()).ToList();
        for (var round = 0; round < 5; round++)
        {
            foreach (var each in many)
                Track($"Viewed {round}", """{"a":1}""", to: each);
            await Task.WhenAll(many.Select(each => Task.Run(() => each.FlushAsync(CancellationToken.None))));
        }

        Assert.Equal("6 6 6 6 6", string.Join(' ', (await EntriesAsync()).Select(e => e.GetProperty("count").GetInt32())));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Flush_StorageFails_NothingIsLostOrCountedTwice(bool afterTheWrite)
    {
        for (var failing = 1; failing <= 12; failing++)
        {
            Track("One", """{"a":1}""");
            Track($"New {failing}", """{"a":1}""");
            var calls = 0;
            Task Fail(StoreCall call) => ++calls == failing ? throw new SimulatedCrashException(call) : Task.CompletedTask;
            if (afterTheWrite)
                store.After = Fail;
            else
                store.Before = Fail;
            var failed = false;
            try
            {
                await recorder.FlushAsync(CancellationToken.None);
            }
            catch (SimulatedCrashException)
            {
                failed = true;
            }

            (store.Before, store.After) = (null, null);
            Assert.Equal(failing <= calls, failed);
            var entries = await EntriesAsync();
            Assert.Equal(failing, entries.Single(e => e.GetProperty("event").ValueEquals("One")).GetProperty("count").GetInt32());
            Assert.All(entries.Where(e => !e.GetProperty("event").ValueEquals("One")), e => Assert.Equal(1, Property(e, "properties.a").GetProperty("count").GetInt32()));
            Assert.Equal(failing + 1, entries.Count);
        }
    }

    [Theory]
    [InlineData("{\"name\":")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("""{"name":"Bad","source":"web","properties":null}""")]
    [InlineData("""{"name":"Bad","source":"web","properties":{"types":[1]}}""")]
    [InlineData("""{"name":"Bad","source":"web","properties":{"types":[0,0,0,0,0,0,0],"members":{"a":null}}}""")]
    public async Task Flush_RowThatCannotBeRead_IsBegunAnew_AndCostsNoOther(string json)
    {
        Track("Bad", """{"a":1}""");
        Track("Good", """{"a":1}""");
        await recorder.FlushAsync(CancellationToken.None);
        var bad = store.Snapshot().Single(r => r.Table == TableName.Catalog && r.Key.StartsWith("e|Bad|", StringComparison.Ordinal));
        await store.CommitAsync(TableName.Catalog, bad.Partition, [RowWrite.Upsert(bad.Key, Encoding.UTF8.GetBytes(json))], CancellationToken.None);
        Assert.Equal("Good", string.Join(' ', (await EntriesAsync()).Select(e => e.GetProperty("event").GetString())));

        Track("Bad", """{"a":1}""");
        Track("Good", """{"a":1}""");
        Assert.Equal("Bad 1 Good 2", string.Join(' ', (await EntriesAsync()).Select(e => $"{e.GetProperty("event").GetString()} {e.GetProperty("count").GetInt32()}")));
    }

    [Fact]
    public async Task Flush_RowThatCannotBeWritten_HoldsUpNoOther_AndIsGivenUpInTheEnd()
    {
        store.Before = static call => call.Operation == StoreOperation.Commit && call.Keys[0].StartsWith("e|B|", StringComparison.Ordinal)
            ? throw new InvalidOperationException("too large")
            : Task.CompletedTask;
        for (var flush = 1; flush <= 4; flush++)
        {
            foreach (var name in new[] { "A", "B", "C" })
                Track(name, """{"a":1}""");
            await Assert.ThrowsAsync<InvalidOperationException>(() => recorder.FlushAsync(CancellationToken.None));
        }

        store.Before = null;
        Assert.Equal("A 4 B 4 C 4", string.Join(' ', (await EntriesAsync()).Select(e => $"{e.GetProperty("event").GetString()} {e.GetProperty("count").GetInt32()}")));
    }

    [Fact]
    public async Task Flush_NothingCanBeWritten_KeepsEverything()
    {
        store.Before = static call => call.Operation == StoreOperation.Commit ? throw new InvalidOperationException("down") : Task.CompletedTask;
        for (var flush = 1; flush <= 20; flush++)
        {
            foreach (var name in new[] { "A", "B", "C", "D" })
                Track(name, """{"a":1}""");
            await Assert.ThrowsAsync<InvalidOperationException>(() => recorder.FlushAsync(CancellationToken.None));
        }

        store.Before = null;
        Assert.Equal("A 20 B 20 C 20 D 20", string.Join(' ', (await EntriesAsync()).Select(e => $"{e.GetProperty("event").GetString()} {e.GetProperty("count").GetInt32()}")));
    }

    [Fact]
    public async Task Digests_AreKeyed_SoThatAListOfNamesTellsNothing()
    {
        var digests = new List<string>();
        for (var i = 0; i < 2; i++)
        {
            // Two installations, each with a key of its own.
            var other = new FakeStore(time);
            using var made = new CatalogRecorder(other, time);
            Track("Viewed", """{"category":"Ann"}""", to: made);
            await made.FlushAsync(CancellationToken.None);
            var row = Encoding.UTF8.GetString(other.Snapshot().Single(r => r.Table == TableName.Catalog && r.Key.StartsWith("e|", StringComparison.Ordinal)).Data);
            var text = JsonDocument.Parse(row).RootElement.GetProperty("properties").GetProperty("members").GetProperty("category").GetProperty("texts")[0];
            digests.AddRange([text.GetProperty("digest").GetRawText(), text.GetProperty("people")[0].GetRawText()]);
        }

        Assert.Equal(4, digests.Distinct().Count());
    }

    [Fact]
    public async Task Crash_LosesCounts_AndNamesComeAgain()
    {
        Track("Viewed", """{"a":1}""");
        // Without a flush: the process died.
        var next = NewRecorder();
        Track("Viewed", """{"a":1}""", to: next);
        await next.FlushAsync(CancellationToken.None);
        var row = Assert.Single(store.Snapshot(), r => r.Key.StartsWith("e|", StringComparison.Ordinal));
        Assert.Contains("\"count\":1", Encoding.UTF8.GetString(row.Data), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Committed_EventsCountOnce_HoweverOftenTheyCome()
    {
        var world = await World.CreateAsync(1);
        const string event1 = """{"type":"track","event":"Viewed","userId":"u1","messageId":"m1","properties":{"a":1}}""";
        await world.SendAsync($$"""{"batch":[{{event1}},{{event1}}]}""");
        await world.DrainAsync();
        await world.SendAsync($$"""{"batch":[{{event1}},{"type":"track","event":"Viewed","userId":"u2","messageId":"m2"}]}""");
        await world.DrainAsync();
        await world.Worker.FlushCatalogAsync();
        var seen = Assert.Single(world.Store.Snapshot(), r => r.Table == TableName.Catalog && r.Key.StartsWith("e|", StringComparison.Ordinal));
        Assert.Equal("e|Viewed|web", seen.Key);
        Assert.Equal(2, JsonDocument.Parse(seen.Data).RootElement.GetProperty("count").GetInt32());
    }

    [Fact]
    public async Task Forget_OneSource_LeavesTheOthers_AndFillsAgain()
    {
        Track("Viewed", "{}");
        Track("Viewed", "{}", source: "till");
        Track("Sold", "{}", source: "till");
        var catalog = new CatalogStore(store, recorder);
        await recorder.FlushAsync(CancellationToken.None);
        await catalog.ForgetAsync("till", CancellationToken.None);
        Assert.Equal("""[{"id":"web","count":1}]""", (await EntryAsync("Viewed")).GetProperty("sources").GetRawText());
        Assert.Single(await EntriesAsync());
        Track("Sold", "{}", source: "till");
        Assert.Equal(2, (await EntriesAsync()).Count);
        await catalog.ForgetAsync(null, CancellationToken.None);
        Assert.DoesNotContain(store.Snapshot(), r => r.Table == TableName.Catalog);
    }

    [Fact]
    public async Task Entries_GoOnBehindAPosition_AndCanBeOfOneSource()
    {
        foreach (var name in (string[])["A", "A B", "A/B", "B", "\u00c4"])
        {
            Track(name, "{}");
            Track(name, "{}", source: "till");
        }

        Track("Z", "{}", source: "till");
        var all = await EntriesAsync();
        var one = new List<string>();
        for (string? after = null; ;)
        {
            var page = await NextAsync(after);
            if (page is null)
                break;
            one.Add(page.Position);
            after = page.Position;
        }

        Assert.Equal(6, all.Count);
        Assert.Equal(6, one.Distinct().Count());
        Assert.Equal(5, (await EntriesAsync("web")).Count);

        async Task<CatalogEntry?> NextAsync(string? after)
        {
            await foreach (var entry in new CatalogStore(store, recorder).EntriesAsync(after, null, CancellationToken.None))
                return entry;
            return null;
        }
    }

    [Fact]
    public void Note_WhatWasSeenBefore_AllocatesNothing()
    {
        var e = Event.Parse(Encoding.UTF8.GetBytes("""{"type":"track","event":"Viewed","messageId":"m","sourceId":"web","timestamp":"2026-03-04T05:06:07.000Z","receivedAt":"2026-03-04T05:06:07.000Z","properties":{"category":"outdoor","price":12.5,"list":[{"a":"b"}],"none":null}}"""));
        var profile = Profile(1);
        for (var i = 0; i < 100; i++)
            recorder.Note(e, profile);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++)
            recorder.Note(e, profile);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static ProfileId Profile(int number) => new(ProfileId.Prefix + number.ToString().PadLeft(26, '0'));

    private static string Paths(JsonElement entry) =>
        string.Join('\n', entry.GetProperty("properties").EnumerateArray().Select(p => $"{p.GetProperty("path").GetString()} {p.GetProperty("types").GetRawText()}"));

    private static JsonElement Property(JsonElement entry, string path) =>
        entry.GetProperty("properties").EnumerateArray().Single(p => p.GetProperty("path").GetString() == path);

    private CatalogRecorder NewRecorder()
    {
        var made = new CatalogRecorder(store, time);
        recorders.Add(made);
        return made;
    }

    private void Track(string name, string properties, string source = "web", int profile = 1, CatalogRecorder? to = null) =>
        Note($$"""{"type":"track","event":{{JsonSerializer.Serialize(name)}},"properties":{{properties}}}""", source, profile, to);

    private void Note(string json, string source = "web", int profile = 1, CatalogRecorder? to = null)
    {
        var at = Instant.Now(time);
        var text = $$"""{"messageId":"m{{++messages}}","sourceId":"{{source}}","timestamp":"{{at}}","receivedAt":"{{at}}",{{json[1..]}}""";
        (to ?? recorder).Note(Event.Parse(Encoding.UTF8.GetBytes(text)), Profile(profile));
    }

    private string Stored() => string.Join('\n', store.Snapshot().Where(r => r.Table == TableName.Catalog).Select(r => Encoding.UTF8.GetString(r.Data)));

    private async Task<List<JsonElement>> EntriesAsync(string? source = null)
    {
        var entries = new List<JsonElement>();
        await foreach (var entry in new CatalogStore(store, recorder).EntriesAsync(null, source, CancellationToken.None))
        {
            var buffer = new ArrayBufferWriter<byte>();
            using (var json = new Utf8JsonWriter(buffer))
                entry.Write(json);
            entries.Add(JsonDocument.Parse(buffer.WrittenMemory).RootElement);
        }

        return entries;
    }

    private async Task<JsonElement> EntryAsync(string name) => (await EntriesAsync()).Single(e => e.GetProperty("event").GetString() == name);
}
