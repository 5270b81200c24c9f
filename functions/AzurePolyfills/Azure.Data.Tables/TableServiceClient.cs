using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Storage;

namespace Azure.Data.Tables;

public class TableServiceClient
{
    private readonly TableConnection connection;

    public TableServiceClient(string connectionString)
        : this(connectionString, null)
    {
    }

    public TableServiceClient(string connectionString, TableClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(connectionString);
        var account = Parse(connectionString);
        connection = new TableConnection(account.Table!, account.Name, options ?? new TableClientOptions(), new TableSharedKeyPolicy(account));
    }

    public TableServiceClient(Uri endpoint, TokenCredential tokenCredential, TableClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        ArgumentNullException.ThrowIfNull(tokenCredential);
        connection = new TableConnection(
            endpoint,
            endpoint.Host.Split('.')[0],
            options ?? new TableClientOptions(),
            new BearerTokenAuthenticationPolicy(tokenCredential, StoragePipeline.Scope));
    }

    protected TableServiceClient() => connection = null!;

    public virtual string AccountName => connection.AccountName;

    public virtual Uri Uri => connection.Endpoint;

    public static string CreateQueryFilter(FormattableString filter) => TableFilter.Create(filter);

    public virtual TableClient GetTableClient(string tableName)
    {
        ArgumentNullException.ThrowIfNull(tableName);
        return new TableClient(connection, tableName);
    }

    private static StorageAccount Parse(string connectionString)
    {
        try
        {
            return StorageAccount.Parse(connectionString);
        }
        catch (FormatException invalid)
        {
            // The type the official client throws for tables; queues and blobs throw FormatException.
            throw new InvalidOperationException(invalid.Message, invalid);
        }
    }
}
