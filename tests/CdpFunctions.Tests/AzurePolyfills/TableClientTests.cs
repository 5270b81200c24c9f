using System.Globalization;
using Azure;
using Azure.Data.Tables;
using Azure.Data.Tables.Models;
using CdpFunctions.Tests.Azurite;
using Xunit;

namespace CdpFunctions.Tests.AzurePolyfills;

public sealed class TableClientTests
{
    private static readonly Lazy<Task<TableClient>> Shared = new(static async () =>
    {
        var client = new TableServiceClient(await AzuriteFixture.ConnectionStringAsync()).GetTableClient(AzuriteFixture.NewName());
        await client.CreateIfNotExistsAsync();
        return client;
    });

    private readonly string partition = Guid.NewGuid().ToString("n");

    public static TheoryData<string, object> Values => new()
    {
        { "string", "plain" },
        { "empty string", "" },
        { "string of any character", "\"\\/<>&'+\u0000\u0001\u001f\u007f\u2028\ufffe é 漢 🙂" },
        { "longest string", new string('é', 32 * 1024) },
        { "int", int.MinValue },
        { "long", long.MaxValue },
        { "small long", 5L },
        { "double", 0.1 },
        { "integral double", 5.0 },
        { "large double", double.MaxValue },
        { "double that is no number", double.NaN },
        { "infinite double", double.NegativeInfinity },
        { "bool", true },
        { "Guid", Guid.Parse("0f8fad5b-d9cb-469f-a165-70867728950e") },
        { "time", new DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero).AddTicks(9) },
        { "empty binary", Array.Empty<byte>() },
        { "binary", new byte[] { 0, 1, 254, 255 } },
        { "longest binary", new byte[64 * 1024] },
    };

    [Theory]
    [MemberData(nameof(Values))]
    public async Task Property_OfEveryType_ComesBackAsItWas(string type, object value)
    {
        var table = await Shared.Value;
        var entity = new TableEntity(partition, type) { { "Value", value } };

        await table.AddEntityAsync(entity);
        await table.SubmitTransactionAsync([new(TableTransactionActionType.UpsertReplace, new TableEntity(partition, "t") { { "Value", value } })]);

        var single = await table.GetEntityAsync<TableEntity>(partition, type);
        Assert.Equal(value.GetType(), single.Value["Value"].GetType());
        Assert.Equal(value, single.Value["Value"]);
        Assert.Equal(value, (await table.GetEntityAsync<TableEntity>(partition, "t")).Value["Value"]);
        var queried = await ToListAsync(table.QueryAsync<TableEntity>(TableClient.CreateQueryFilter($"PartitionKey eq {partition}")));
        Assert.All(queried, each => Assert.Equal(value, each["Value"]));
    }

    [Fact]
    public async Task Property_ByTypedGetters()
    {
        var table = await Shared.Value;
        var time = new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc);
        await table.AddEntityAsync(new TableEntity(partition, "k")
        {
            { "Text", "x" }, { "Int", 1 }, { "Long", 2L }, { "Double", 3.5 }, { "Flag", true }, { "Id", Guid.Empty }, { "Time", time },
            { "Bytes", new byte[] { 1 } }, { "Data", BinaryData.FromBytes(new byte[] { 2 }) }, { "Nothing", null! },
        });

        var read = (await table.GetEntityAsync<TableEntity>(partition, "k")).Value;

        Assert.Equal("x", read.GetString("Text"));
        Assert.Equal(1, read.GetInt32("Int"));
        Assert.Equal(2, read.GetInt64("Long"));
        Assert.Equal(3.5, read.GetDouble("Double"));
        Assert.True(read.GetBoolean("Flag"));
        Assert.Equal(Guid.Empty, read.GetGuid("Id"));
        Assert.Equal(time, read.GetDateTime("Time"));
        Assert.Equal(new DateTimeOffset(time), read.GetDateTimeOffset("Time"));
        Assert.Equal([1], read.GetBinary("Bytes"));
        Assert.Equal([2], read.GetBinaryData("Data")!.ToArray());
        Assert.Null(read.GetString("Nothing"));
        Assert.False(read.ContainsKey("Nothing"));
        Assert.Throws<InvalidOperationException>(() => read.GetInt32("Text"));
        Assert.InRange(read.Timestamp!.Value, TimeProvider.System.GetUtcNow().AddMinutes(-5), TimeProvider.System.GetUtcNow().AddMinutes(5));
        Assert.NotEqual(default, read.ETag);
    }

    [Fact]
    public async Task ETag_OfAWrite_IsThatOfTheRowRead()
    {
        var table = await Shared.Value;

        var added = await table.AddEntityAsync(new TableEntity(partition, "k"));
        Assert.Equal(added.Headers.ETag, (await table.GetEntityAsync<TableEntity>(partition, "k")).Value.ETag);
        var updated = await table.UpdateEntityAsync(new TableEntity(partition, "k"), added.Headers.ETag!.Value, TableUpdateMode.Replace);
        Assert.Equal(updated.Headers.ETag, (await table.GetEntityAsync<TableEntity>(partition, "k")).Value.ETag);
        var transacted = await table.SubmitTransactionAsync([new(TableTransactionActionType.UpdateReplace, new TableEntity(partition, "k"), updated.Headers.ETag!.Value)]);
        Assert.Equal(transacted.Value[0].Headers.ETag, (await table.GetEntityAsync<TableEntity>(partition, "k")).Value.ETag);
    }

    [Fact]
    public async Task MergeKeeps_ReplaceDrops_WhatIsNotWritten()
    {
        var table = await Shared.Value;
        await table.UpsertEntityAsync(new TableEntity(partition, "k") { { "A", 1 }, { "B", 1 } });

        await table.UpsertEntityAsync(new TableEntity(partition, "k") { { "B", 2 } });
        var merged = (await table.GetEntityAsync<TableEntity>(partition, "k")).Value;
        await table.UpdateEntityAsync(new TableEntity(partition, "k") { { "B", 3 } }, ETag.All, TableUpdateMode.Replace);
        var replaced = (await table.GetEntityAsync<TableEntity>(partition, "k")).Value;

        Assert.Equal((1, 2), (merged.GetInt32("A"), merged.GetInt32("B")));
        Assert.Equal((null, 3), (replaced.GetInt32("A"), replaced.GetInt32("B")));
    }

    [Fact]
    public async Task Select_GivesOnlyWhatIsAsked()
    {
        var table = await Shared.Value;
        await table.AddEntityAsync(new TableEntity(partition, "k") { { "A", 1 }, { "B", 1 } });

        var one = (await table.GetEntityAsync<TableEntity>(partition, "k", ["A"])).Value;
        var queried = Assert.Single(await ToListAsync(table.QueryAsync<TableEntity>(TableClient.CreateQueryFilter($"PartitionKey eq {partition}"), select: ["RowKey", "B"])));

        Assert.Equal((1, false), (one.GetInt32("A"), one.ContainsKey("B")));
        Assert.Equal(("k", 1, false), (queried.RowKey, queried.GetInt32("B"), queried.ContainsKey("A")));
    }

    [Fact]
    public async Task Refusals_HaveTheServicesStatusAndCode()
    {
        var table = await Shared.Value;
        var first = await table.AddEntityAsync(new TableEntity(partition, "k"));
        await table.UpsertEntityAsync(new TableEntity(partition, "k") { { "A", 1 } });
        var stale = first.Headers.ETag!.Value;

        await AssertFailsAsync(409, TableErrorCode.EntityAlreadyExists, () => table.AddEntityAsync(new TableEntity(partition, "k")));
        await AssertFailsAsync(412, TableErrorCode.UpdateConditionNotSatisfied, () => table.UpdateEntityAsync(new TableEntity(partition, "k"), stale));
        await AssertFailsAsync(412, TableErrorCode.UpdateConditionNotSatisfied, () => table.DeleteEntityAsync(partition, "k", stale));
        await AssertFailsAsync(404, TableErrorCode.ResourceNotFound, () => table.UpdateEntityAsync(new TableEntity(partition, "gone"), stale));
        await AssertFailsAsync(404, TableErrorCode.ResourceNotFound, () => table.GetEntityAsync<TableEntity>(partition, "gone"));
        Assert.Equal(404, (await table.DeleteEntityAsync(partition, "gone")).Status);
        var missing = await table.GetEntityIfExistsAsync<TableEntity>(partition, "gone");
        Assert.False(missing.HasValue);
        Assert.Equal(404, missing.GetRawResponse().Status);
        Assert.Throws<InvalidOperationException>(() => missing.Value);
    }

    [Fact]
    public async Task Transaction_Refused_NamesTheAction()
    {
        var table = await Shared.Value;
        var first = await table.AddEntityAsync(new TableEntity(partition, "k"));
        await table.UpsertEntityAsync(new TableEntity(partition, "k") { { "A", 1 } });

        await AssertFailsAsync(409, TableErrorCode.EntityAlreadyExists, 2, [Add("a"), Add("b"), Add("k")]);
        await AssertFailsAsync(412, TableErrorCode.UpdateConditionNotSatisfied, 1, [Add("a"), new(TableTransactionActionType.UpdateReplace, new TableEntity(partition, "k"), first.Headers.ETag!.Value)]);
        await AssertFailsAsync(404, TableErrorCode.ResourceNotFound, 0, [new(TableTransactionActionType.Delete, new TableEntity(partition, "gone")), Add("a")]);
        await AssertFailsAsync(404, TableErrorCode.ResourceNotFound, 10, [.. Enumerable.Range(0, 10).Select(i => Add($"n{i}")), new(TableTransactionActionType.UpdateMerge, new TableEntity(partition, "gone"), ETag.All)]);
        await AssertFailsAsync(400, TableErrorCode.InvalidDuplicateRow, 1, [Add("a"), new(TableTransactionActionType.UpsertMerge, new TableEntity(partition, "a"))]);
        await AssertFailsAsync(400, TableErrorCode.CommandsInBatchActOnDifferentPartitions, 1, [Add("a"), new(TableTransactionActionType.Add, new TableEntity(partition + "x", "b"))]);
        await Assert.ThrowsAsync<InvalidOperationException>(() => table.SubmitTransactionAsync([]));

        Assert.Single(await ToListAsync(table.QueryAsync<TableEntity>(TableClient.CreateQueryFilter($"PartitionKey eq {partition}"))));

        TableTransactionAction Add(string key) => new(TableTransactionActionType.Add, new TableEntity(partition, key));

        async Task AssertFailsAsync(int status, TableErrorCode code, int index, TableTransactionAction[] actions)
        {
            var failure = await Assert.ThrowsAsync<TableTransactionFailedException>(() => table.SubmitTransactionAsync(actions));
            Assert.Equal((status, code, index), (failure.Status, (TableErrorCode)failure.ErrorCode!, failure.FailedTransactionActionIndex));
        }
    }

    [Fact]
    public async Task Transaction_OfEveryKind_Commits()
    {
        var table = await Shared.Value;
        foreach (var key in new[] { "delete", "merge", "replace", "upsert merge", "upsert replace" })
            await table.AddEntityAsync(new TableEntity(partition, key) { { "A", 1 } });
        TableEntity Row(string key) => new(partition, key) { { "B", 2 } };

        var response = await table.SubmitTransactionAsync(
        [
            new(TableTransactionActionType.Add, Row("add")),
            new(TableTransactionActionType.Delete, Row("delete")),
            new(TableTransactionActionType.UpdateMerge, Row("merge"), ETag.All),
            new(TableTransactionActionType.UpdateReplace, Row("replace"), ETag.All),
            new(TableTransactionActionType.UpsertMerge, Row("upsert merge")),
            new(TableTransactionActionType.UpsertReplace, Row("upsert replace")),
        ]);

        Assert.Equal([204, 204, 204, 204, 204, 204], response.Value.Select(static each => each.Status));
        var rows = await ToListAsync(table.QueryAsync<TableEntity>(TableClient.CreateQueryFilter($"PartitionKey eq {partition}")));
        Assert.Equal(
            ["add -2", "merge 12", "replace -2", "upsert merge 12", "upsert replace -2"],
            rows.Select(static row => string.Create(CultureInfo.InvariantCulture, $"{row.RowKey} {row.GetInt32("A")?.ToString() ?? "-"}{row.GetInt32("B")}")));
    }

    [Theory]
    [InlineData("it's ''quoted''")]
    [InlineData("a b+c&d=e%20f;g,h:i@j!k$l*m(n)o")]
    [InlineData("{}[]<>\"`^~.|")]
    [InlineData("é 漢字 🙂 \u00a0")]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("PUT GET POST HTTP1.1")]
    public async Task Keys_OfAnyAllowedCharacter(string key)
    {
        var table = await Shared.Value;
        var pk = partition + key;

        await table.AddEntityAsync(new TableEntity(pk, key) { { "A", 1 } });
        await table.UpdateEntityAsync(new TableEntity(pk, key) { { "B", 1 } }, ETag.All);
        await table.SubmitTransactionAsync(
        [
            new(TableTransactionActionType.UpsertMerge, new TableEntity(pk, key) { { "C", 1 } }),
            new(TableTransactionActionType.Add, new TableEntity(pk, key + "2")),
        ]);
        var read = (await table.GetEntityAsync<TableEntity>(pk, key)).Value;
        var ranged = await ToListAsync(table.QueryAsync<TableEntity>(TableClient.CreateQueryFilter($"PartitionKey eq {pk} and RowKey ge {key} and RowKey lt {key + "2"}")));

        Assert.Equal((pk, key), (read.PartitionKey, read.RowKey));
        Assert.Equal((1, 1, 1), (read.GetInt32("A"), read.GetInt32("B"), read.GetInt32("C")));
        Assert.Equal([key], ranged.Select(static row => row.RowKey));
        await table.SubmitTransactionAsync([new(TableTransactionActionType.Delete, read), new(TableTransactionActionType.Delete, new TableEntity(pk, key + "2"))]);
        Assert.False((await table.GetEntityIfExistsAsync<TableEntity>(pk, key)).HasValue);
    }

    [Fact]
    public async Task Query_PagesOfAnySize_GiveEveryRowOnce()
    {
        var table = await Shared.Value;
        await table.SubmitTransactionAsync(Enumerable.Range(0, 25).Select(i => new TableTransactionAction(TableTransactionActionType.Add, new TableEntity(partition, $"k{i:d2} +'é"))));
        var filter = TableClient.CreateQueryFilter($"PartitionKey eq {partition}");

        foreach (var size in new int?[] { 1, 7, 25, 1000, null })
            Assert.Equal(25, (await ToListAsync(table.QueryAsync<TableEntity>(filter, size))).Select(static row => row.RowKey).Distinct(StringComparer.Ordinal).Count());

        string? token = null;
        await foreach (var page in table.QueryAsync<TableEntity>(filter, 10).AsPages())
        {
            Assert.Equal(10, page.Values.Count);
            token = page.ContinuationToken;
            break;
        }

        await foreach (var page in table.QueryAsync<TableEntity>(filter).AsPages(token, 10))
        {
            Assert.Equal("k10 +'é", page.Values[0].RowKey);
            break;
        }
    }

    [Fact]
    public async Task Table_ThatIsMissing_IsReportedSo_AndCreatedOnce()
    {
        var table = new TableServiceClient(await AzuriteFixture.ConnectionStringAsync()).GetTableClient(AzuriteFixture.NewName());

        await AssertFailsAsync(404, TableErrorCode.TableNotFound, () => table.AddEntityAsync(new TableEntity("p", "k")));
        Assert.Equal(table.Name, (await table.CreateIfNotExistsAsync()).Value.Name);
        Assert.Equal(table.Name, (await table.CreateIfNotExistsAsync()).Value.Name);
        await table.AddEntityAsync(new TableEntity("p", "k"));
    }

    [Fact]
    public async Task EntityOfAnotherType_FailsLoudly()
    {
        var table = await Shared.Value;

        await Assert.ThrowsAsync<NotSupportedException>(() => table.AddEntityAsync(new Mapped()));
        await Assert.ThrowsAsync<NotSupportedException>(() => table.GetEntityAsync<Mapped>("p", "k"));
        Assert.Throws<NotSupportedException>(() => table.QueryAsync<Mapped>());
        await Assert.ThrowsAsync<NotSupportedException>(() => table.AddEntityAsync(new TableEntity("p", "k") { { "A", 1m } }));
    }

    private static async Task<List<TableEntity>> ToListAsync(AsyncPageable<TableEntity> pages)
    {
        var rows = new List<TableEntity>();
        await foreach (var row in pages)
            rows.Add(row);
        return rows;
    }

    private static async Task AssertFailsAsync(int status, TableErrorCode code, Func<Task> call)
    {
        var failure = await Assert.ThrowsAsync<RequestFailedException>(call);
        Assert.Equal((status, code), (failure.Status, (TableErrorCode)failure.ErrorCode!));
    }

    private sealed class Mapped : ITableEntity
    {
        public string PartitionKey { get; set; } = "p";

        public string RowKey { get; set; } = "k";

        public DateTimeOffset? Timestamp { get; set; }

        public ETag ETag { get; set; }
    }
}
