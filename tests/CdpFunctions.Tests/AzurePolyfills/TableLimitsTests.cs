using Azure;
using Azure.Data.Tables;
using Azure.Data.Tables.Models;
using CdpFunctions.Tests.Azurite;
using Xunit;

namespace CdpFunctions.Tests.AzurePolyfills;

/// <summary>What the service refuses is refused on the emulator too, with the same codes.</summary>
public sealed class TableLimitsTests
{
    private static readonly Lazy<Task<TableClient>> Shared = new(static async () =>
    {
        var client = new TableServiceClient(await AzuriteFixture.ConnectionStringAsync()).GetTableClient(AzuriteFixture.NewName());
        await client.CreateIfNotExistsAsync();
        return client;
    });

    private readonly string partition = Guid.NewGuid().ToString("n");

    public static TheoryData<string, string, string> Beyond => new()
    {
        { "252 properties", "253 properties", "TooManyProperties" },
        { "binary of 64 KiB", "binary of 64 KiB and 1", "PropertyValueTooLarge" },
        { "string of 32768", "string of 32769", "PropertyValueTooLarge" },
        { "name of 255", "name of 256", "PropertyNameTooLong" },
        { "entity of 700 KiB", "entity of 1 MiB", "EntityTooLarge" },
        { "ordinary", "key with /", "OutOfRangeInput" },
        { "ordinary", "key with \\", "OutOfRangeInput" },
        { "ordinary", "key with #", "OutOfRangeInput" },
        { "ordinary", "key with ?", "OutOfRangeInput" },
        { "ordinary", "key with \u0001", "OutOfRangeInput" },
        { "ordinary", "key with \u0080", "OutOfRangeInput" },
    };

    [Theory]
    [MemberData(nameof(Beyond))]
    public async Task Entity_AtALimit_IsTaken_AndBeyondIt_Refused(string at, string beyond, string code)
    {
        var table = await Shared.Value;

        await table.AddEntityAsync(Entity(at, "single"));
        await table.SubmitTransactionAsync([new(TableTransactionActionType.Add, Entity(at, "transacted"))]);
        var refused = await Assert.ThrowsAsync<RequestFailedException>(() => table.UpsertEntityAsync(Entity(beyond, "beyond"), TableUpdateMode.Replace));
        var transaction = await Assert.ThrowsAsync<TableTransactionFailedException>(() => table.SubmitTransactionAsync(
        [
            new(TableTransactionActionType.Add, new TableEntity(partition, "good")),
            new(TableTransactionActionType.Add, Entity(beyond, "beyond")),
        ]));

        Assert.Equal((400, code), (refused.Status, refused.ErrorCode));
        Assert.Equal((400, code, 1), (transaction.Status, transaction.ErrorCode, transaction.FailedTransactionActionIndex));
        Assert.False((await table.GetEntityIfExistsAsync<TableEntity>(partition, "good")).HasValue);
    }

    [Fact]
    public async Task Transaction_OfTooManyActions_IsRefused()
    {
        var table = await Shared.Value;
        TableTransactionAction Add(int i) => new(TableTransactionActionType.Add, new TableEntity(partition, $"k{i}"));

        var refused = await Assert.ThrowsAsync<TableTransactionFailedException>(() => table.SubmitTransactionAsync(Enumerable.Range(0, 101).Select(Add)));
        Assert.Equal((400, TableErrorCode.InvalidInput, 99), (refused.Status, (TableErrorCode)refused.ErrorCode!, refused.FailedTransactionActionIndex));
        Assert.Equal(100, (await table.SubmitTransactionAsync(Enumerable.Range(0, 100).Select(Add))).Value.Count);
    }

    [Fact]
    public async Task Transaction_TooLarge_IsRefused()
    {
        var table = await Shared.Value;
        TableTransactionAction Add(int i, int bytes) => new(TableTransactionActionType.Add, new TableEntity(partition, $"k{i}") { { "Data", new byte[bytes] } });

        var refused = await Assert.ThrowsAsync<RequestFailedException>(() => table.SubmitTransactionAsync(Enumerable.Range(0, 50).Select(i => Add(i, 64 * 1024))));
        Assert.Equal((413, "RequestBodyTooLarge"), (refused.Status, refused.ErrorCode));
        await table.SubmitTransactionAsync(Enumerable.Range(0, 47).Select(i => Add(i, 64 * 1024)));
    }

    [Fact]
    public async Task Filter_OfTooManyComparisons_IsRefused()
    {
        var table = await Shared.Value;
        await table.AddEntityAsync(new TableEntity(partition, "a eq 'b'"));
        string Filter(int comparisons) =>
            TableClient.CreateQueryFilter($"PartitionKey eq {partition} and (")
            + string.Join(" or ", Enumerable.Repeat(TableClient.CreateQueryFilter($"RowKey eq {"a eq 'b'"}"), comparisons - 1)) + ")";

        Assert.Single(await ToListAsync(Filter(15)));
        var refused = await Assert.ThrowsAsync<RequestFailedException>(() => ToListAsync(Filter(16)));
        Assert.Equal((400, TableErrorCode.InvalidInput), (refused.Status, (TableErrorCode)refused.ErrorCode!));

        async Task<List<string>> ToListAsync(string filter)
        {
            var keys = new List<string>();
            await foreach (var row in table.QueryAsync<TableEntity>(filter))
                keys.Add(row.RowKey);
            return keys;
        }
    }

    private TableEntity Entity(string kind, string key)
    {
        var entity = new TableEntity(partition, kind.StartsWith("key with ", StringComparison.Ordinal) ? key + kind[9..] : key);
        switch (kind)
        {
            case "252 properties":
            case "253 properties":
                for (var i = 0; i < (kind[2] - '0') + 250; i++)
                    entity.Add($"P{i}", i);
                break;
            case "binary of 64 KiB":
                entity.Add("P", new byte[64 * 1024]);
                break;
            case "binary of 64 KiB and 1":
                entity.Add("P", new byte[64 * 1024 + 1]);
                break;
            case "string of 32768":
                entity.Add("P", new string('x', 32 * 1024));
                break;
            case "string of 32769":
                entity.Add("P", new string('x', 32 * 1024 + 1));
                break;
            case "name of 255":
                entity.Add(new string('n', 255), 1);
                break;
            case "name of 256":
                entity.Add(new string('n', 256), 1);
                break;
            case "entity of 700 KiB":
                for (var i = 0; i < 11; i++)
                    entity.Add($"P{i}", new byte[64 * 1024]);
                break;
            case "entity of 1 MiB":
                for (var i = 0; i < 16; i++)
                    entity.Add($"P{i}", new byte[64 * 1024]);
                break;
            default:
                break;
        }

        return entity;
    }
}
