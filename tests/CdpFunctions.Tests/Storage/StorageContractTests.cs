using Cdp.Storage;
using Cdp.Tests.Storage;
using CdpFunctions.Storage;
using CdpFunctions.Tests.Azurite;

namespace CdpFunctions.Tests.Storage;

public sealed class TableRowStoreTests : RowStoreContract
{
    private static readonly Lazy<Task<IRowStore>> Store = new(static async () =>
    {
        var (clients, names) = await StorageForTests.CreateAsync();
        return new TableRowStore(clients.Tables, names);
    });

    protected override Task<IRowStore> StoreAsync() => Store.Value;
}

public sealed class StorageBlobStoreTests : BlobStoreContract
{
    private static readonly Lazy<Task<IBlobStore>> Store = new(static async () =>
    {
        var (clients, names) = await StorageForTests.CreateAsync();
        return new StorageBlobStore(clients.Blobs, names);
    });

    protected override Task<IBlobStore> StoreAsync() => Store.Value;
}

public sealed class StorageMessageQueueTests : MessageQueueContract
{
    private (StorageClients Clients, StorageNames Names)? storage;

    protected override async Task<IMessageQueue> QueueAsync()
    {
        storage = await StorageForTests.CreateAsync();
        return new StorageMessageQueue(storage.Value.Clients.Queues, storage.Value.Names);
    }

    protected override async Task<string?> ReceiveAsync(QueueName queue)
    {
        var client = storage!.Value.Clients.Queues.GetQueueClient(storage.Value.Names.Of(queue));
        var received = await client.ReceiveMessagesAsync(1, TimeSpan.FromHours(1), default);
        return received.Value is [var message] ? message.MessageText : null;
    }
}

internal static class StorageForTests
{
    public static async Task<(StorageClients Clients, StorageNames Names)> CreateAsync()
    {
        var clients = await AzuriteFixture.ClientsAsync();
        var names = AzuriteFixture.Names();
        await StorageSetup.CreateAllAsync(clients, names, default);
        return (clients, names);
    }
}
