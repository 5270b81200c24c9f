using System.Reflection;
using System.Runtime.Versioning;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Cdp.Exports;
using Cdp.Imports;
using Cdp.Storage;
using CdpFunctions.Storage;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Extensions.Abstractions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace CdpFunctions.Tests.Infra;

/// <summary>infra/main.bicep against the code: what the app needs is deployed, and nothing else.</summary>
public sealed partial class BicepTests
{
    private const string Poison = "-poison";

    /// <summary>Settings that the Functions host reads and the app does not.</summary>
    private static readonly string[] HostSettings =
        ["AzureWebJobsStorage:credential", "APPLICATIONINSIGHTS_CONNECTION_STRING", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"];

    private static readonly string Source = Repository.Read("infra/main.bicep");
    private static readonly BicepFile File = BicepFile.Parse(Source);

    [Fact]
    public void Tables_AreThoseOfTheApp() =>
        Assert.Equal(Sorted(Enum.GetValues<TableName>().Select(StorageNames.Of)), Created("tableServices", "tables"));

    [Fact]
    public void Containers_AreThoseOfTheAppAndThePackage()
    {
        var package = File.Variable("packageContainerName").Text;
        var deployment = App.At("properties", "functionAppConfig", "deployment", "storage");
        Assert.Equal("${storage.properties.primaryEndpoints.blob}${packageContainerName}", deployment.At("value").Text);
        Assert.Equal(Sorted(Enum.GetValues<ContainerName>().Select(StorageNames.Of).Append(package)), Created("blobServices", "containers"));
    }

    [Fact]
    public void OldExportsOfAllProfiles_AreDeleted_AndNothingElse()
    {
        var rule = Assert.Single(Only("Microsoft.Storage/storageAccounts/managementPolicies").Body.At("properties", "policy", "rules").Items).At("definition");
        var prefix = Assert.Single(rule.At("filters", "prefixMatch").Items).Text;
        Assert.Equal($"{StorageNames.Of(ContainerName.Exports)}/{ExportRequest.AllProfiles}/", prefix);
        Assert.Equal("profilesExportDays", rule.At("actions", "baseBlob", "delete", "daysAfterModificationGreaterThan").Text);
    }

    [Fact]
    public void Queues_AreThoseThatAreSentToOrTriggerWithTheirPoisonQueues()
    {
        var triggers = Triggers<QueueTriggerAttribute>();
        Assert.NotEmpty(triggers);
        // Another connection would be another storage account.
        Assert.All(triggers, trigger => Assert.Null(trigger.Connection));

        var listened = triggers.Select(trigger => trigger.QueueName).ToList();
        // The host gives a poison queue no poison queue of its own.
        var poison = listened.Where(queue => !queue.EndsWith(Poison, StringComparison.Ordinal)).Select(queue => queue + Poison);
        Assert.Equal(Sorted(Enum.GetValues<QueueName>().Select(StorageNames.Of).Union(listened).Union(poison)), Created("queueServices", "queues"));
    }

    [Fact]
    public void EveryQueueOfTheApp_TriggersAFunction() =>
        Assert.Equal(Sorted(Enum.GetValues<QueueName>().Select(StorageNames.Of)), Sorted(Triggers<QueueTriggerAttribute>().Select(trigger => trigger.QueueName)));

    [Fact]
    public void Settings_AreThoseThatTheAppOrTheHostReads()
    {
        var set = Settings();
        var read = ReadByTheApp(set);
        Assert.Equal([], set.Keys.Except(read, StringComparer.Ordinal).Except(HostSettings, StringComparer.Ordinal));
        Assert.Equal([], HostSettings.Except(set.Keys, StringComparer.Ordinal));
        Assert.All(typeof(CdpOptions).GetProperties(), option => Assert.Contains("Cdp:" + option.Name, set.Keys));
    }

    [Fact]
    public void Settings_ThatAreReadOrSet_AreDocumented()
    {
        var documented = Code().Matches(Repository.Read("infra/README.md")).Select(match => match.Groups["name"].Value.Replace("__", ":", StringComparison.Ordinal)).ToHashSet();
        var set = Settings();
        Assert.Equal([], ReadByTheApp(set).Union(set.Keys).Except(documented, StringComparer.Ordinal));
    }

    [Fact]
    public void Settings_MakeTheAppUseTheAccountByItsIdentity()
    {
        using var services = new ServiceCollection().AddCdp(Configuration(Settings(), [])).BuildServiceProvider();
        var clients = services.GetRequiredService<StorageClients>();
        Assert.Equal("https://account.table.core.windows.net/", clients.Tables.Uri.ToString());
        Assert.Equal("https://account.queue.core.windows.net/", clients.Queues.Uri.ToString());
        Assert.Equal("https://account.blob.core.windows.net/", clients.Blobs.Uri.ToString());
        Assert.False(clients.IsEmulator);
        Assert.Equal(new CdpOptions(), services.GetRequiredService<CdpOptions>());
    }

    [Fact]
    public void SettingsInTimerSchedules_AreSet()
    {
        var set = Settings();
        Assert.All(Triggers<TimerTriggerAttribute>().SelectMany(trigger => Percent().Matches(trigger.Schedule)), match => Assert.Contains(match.Groups["name"].Value, set.Keys));
    }

    [Fact]
    public void Roles_AreTheNarrowestThatDo()
    {
        var granted = File.Resources.Where(resource => resource.Type.StartsWith("Microsoft.Authorization/", StringComparison.Ordinal)).SelectMany(Grants);
        Assert.Equal(
            [
                ("insights", "3913510d-42f4-4e42-8a64-420c390055eb", "Monitoring Metrics Publisher"),
                ("queues[indexOf(queueNames, 'imports')]", "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a", "Storage Queue Data Message Sender"),
                ("serviceBusTopic", "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39", "Azure Service Bus Data Sender"),
                ("storage", "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3", "Storage Table Data Contributor"),
                ("storage", "974c5e8b-45b9-4653-ba55-5f855dd0fb88", "Storage Queue Data Contributor"),
                ("storage", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "Storage Blob Data Owner"),
            ],
            granted.Order());

        static IEnumerable<(string Scope, string Id, string Name)> Grants(BicepResource resource)
        {
            Assert.EndsWith("/roleAssignments", resource.Type.Split('@')[0], StringComparison.Ordinal);
            var properties = resource.Body.At("properties");
            // Event Grid is on one queue, the app on everything else.
            var isEventGrid = resource.Symbol == "uploadsRoleAssignment";
            Assert.Equal(isEventGrid ? "uploads.identity.principalId" : "identity.properties.principalId", properties.At("principalId").Text);
            var definition = RoleDefinition().Match(properties.At("roleDefinitionId").Text);
            Assert.True(definition.Success);
            var variable = definition.Groups["name"].Value;
            var roles = variable == resource.Item ? File.Variable(resource.Collection!).Items : [File.Variable(variable)];
            return roles.Select(role => (resource.Body.At("scope").Text, role.At("id").Text, role.At("name").Text));
        }
    }

    [Fact]
    public void Uploads_AreToldToTheQueueOfImports()
    {
        var queue = StorageNames.Of(QueueName.Imports);
        Assert.Equal("storage.id", Only("Microsoft.EventGrid/systemTopics").Body.At("properties", "source").Text);
        var subscription = Only("Microsoft.EventGrid/systemTopics/eventSubscriptions").Body;
        Assert.Equal("uploads", subscription.At("parent").Text);
        var delivery = subscription.At("properties", "deliveryWithResourceIdentity", "destination");
        Assert.Equal(("StorageQueue", "storage.id", queue), (delivery.At("endpointType").Text, delivery.At("properties", "resourceId").Text, delivery.At("properties", "queueName").Text));
        var filter = subscription.At("properties", "filter");
        Assert.Equal(["Microsoft.Storage.BlobCreated"], filter.At("includedEventTypes").Items.Select(type => type.Text));
        // Reports are written below another folder of the container.
        Assert.Equal($"/blobServices/default/containers/{StorageNames.Of(ContainerName.Imports)}/blobs/{ImportDocument.FileFolder}", filter.At("subjectBeginsWith").Text);
    }

    [Fact]
    public void App_IsOpenToEveryOriginOverHttpsOnly()
    {
        var properties = App.At("properties");
        Assert.Equal(["*"], properties.At("siteConfig", "cors", "allowedOrigins").Items.Select(origin => origin.Text));
        // Browsers refuse credentials together with a wildcard.
        Assert.Equal("false", properties.At("siteConfig", "cors", "supportCredentials").Text);
        Assert.Equal("true", properties.At("httpsOnly").Text);
        Assert.Equal("1.2", properties.At("siteConfig", "minTlsVersion").Text);
    }

    [Fact]
    public void App_RunsOnTheFrameworkItIsBuiltFor()
    {
        var framework = new FrameworkName(typeof(CdpApplication).Assembly.GetCustomAttribute<TargetFrameworkAttribute>()!.FrameworkName);
        var runtime = App.At("properties", "functionAppConfig", "runtime");
        Assert.Equal(("dotnet-isolated", framework.Version.ToString()), (runtime.At("name").Text, runtime.At("version").Text));
    }

    [Fact]
    public void NothingOpensWithAKey()
    {
        var storage = Only("Microsoft.Storage/storageAccounts").Body.At("properties");
        Assert.Equal("false", storage.At("allowSharedKeyAccess").Text);
        Assert.Equal("false", storage.At("allowBlobPublicAccess").Text);
        Assert.Equal("TLS1_2", storage.At("minimumTlsVersion").Text);
        Assert.Equal("true", Only("Microsoft.Insights/components").Body.At("properties", "DisableLocalAuth").Text);
        Assert.Equal("true", Only("Microsoft.ServiceBus/namespaces").Body.At("properties", "disableLocalAuth").Text);
        Assert.DoesNotContain("listKeys", Source, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void ServiceBus_IsDeployedOnlyOnDemand()
    {
        Assert.Equal("false", File.Default("deployServiceBus")!.Text);
        var conditional = File.Resources.Where(resource => resource.Condition is not null).ToList();
        Assert.All(conditional, resource => Assert.Equal("deployServiceBus", resource.Condition));
        Assert.Equal(["serviceBus", "serviceBusRoleAssignment", "serviceBusTopic"], Sorted(conditional.Select(resource => resource.Symbol)));
        Assert.Equal("cdp", Only("Microsoft.ServiceBus/namespaces/topics").Body.At("name").Text);
    }

    [Fact]
    public void EverythingDeclared_IsDescribedInOneLineAndUsed()
    {
        var described = File.Declarations.Select(d => (d.Symbol, d.Description)).Concat(File.Resources.Select(r => (r.Symbol, r.Description)));
        Assert.All(described, declared => Assert.False(string.IsNullOrWhiteSpace(declared.Description), declared.Symbol));
        var code = string.Join('\n', Source.Split('\n').Where(line => !line.StartsWith("@description", StringComparison.Ordinal) && !line.TrimStart().StartsWith("//", StringComparison.Ordinal)));
        Assert.All(
            File.Declarations.Where(d => d.Kind is not "output"),
            d => Assert.True(Regex.Count(code, $@"\b{d.Symbol}\b", RegexOptions.None, TimeSpan.FromSeconds(1)) > 1, $"{d.Symbol} is used nowhere"));
    }

    [Fact]
    public void ExampleParameters_AreParametersOfTheFile()
    {
        var example = ParameterLine().Matches(Repository.Read("infra/main.bicepparam")).Select(match => match.Groups["name"].Value).ToList();
        Assert.NotEmpty(example);
        Assert.Equal([], example.Except(File.Declarations.Where(d => d.Kind is "param").Select(d => d.Symbol), StringComparer.Ordinal));
    }

    [Fact]
    public void HostJson_IsPublishedWithTheFunctionApp()
    {
        var project = XDocument.Parse(Repository.Read("functions/CdpFunctions/CdpFunctions.csproj"));
        var link = Assert.Single(project.Descendants("None"), item => (string?)item.Attribute("Include") == "../../host.json");
        Assert.Equal(("host.json", "PreserveNewest"), ((string?)link.Attribute("Link"), (string?)link.Attribute("CopyToPublishDirectory")));
        Assert.All(
            project.Descendants("None").Where(item => ((string?)item.Attribute("Include"))!.EndsWith("local.settings.json", StringComparison.Ordinal)),
            secret => Assert.Equal("Never", (string?)secret.Attribute("CopyToPublishDirectory")));
    }

    private static BicepValue App => Only("Microsoft.Web/sites").Body;

    private static BicepResource Only(string type) => File.Resources.Single(resource => resource.Type.Split('@')[0] == type);

    private static IEnumerable<string> Sorted(IEnumerable<string> names) => names.Order(StringComparer.Ordinal);

    // The names of all resources of a kind, each of them unconditional and in the one storage account.
    private static IEnumerable<string> Created(string service, string kind)
    {
        var parent = Only("Microsoft.Storage/storageAccounts/" + service);
        Assert.Equal(("storage", "default"), (parent.Body.At("parent").Text, parent.Body.At("name").Text));
        Assert.Equal("storage", Only("Microsoft.Storage/storageAccounts").Symbol);
        return Sorted(File.Resources.Where(resource => resource.Type.StartsWith($"Microsoft.Storage/storageAccounts/{service}/{kind}@", StringComparison.Ordinal)).SelectMany(NamesOf));

        IEnumerable<string> NamesOf(BicepResource resource)
        {
            Assert.Null(resource.Condition);
            Assert.Equal(parent.Symbol, resource.Body.At("parent").Text);
            var name = resource.Body.At("name").Text;
            if (resource.Collection is null)
                return [File.Variable(name).Text];
            Assert.Equal(resource.Item, name);
            return File.Variable(resource.Collection).Items.Select(item => Assert.IsType<BicepString>(item).Value);
        }
    }

    // As the app sees them, with values as the default parameters give them.
    private static Dictionary<string, string?> Settings()
    {
        var applied = Only("Microsoft.Web/sites/config").Body;
        Assert.Equal(("app", "appsettings"), (applied.At("parent").Text, applied.At("name").Text));
        return File.Variable(applied.At("properties").Text).Members.ToDictionary(
            setting => setting.Key.Replace("__", ":", StringComparison.Ordinal),
            setting => (string?)(setting.Value switch
            {
                BicepString constant => constant.Value,
                BicepExpression { Source: "storage.name" } => "account",
                BicepExpression { Source: "identity.properties.clientId" } => "11111111-2222-3333-4444-555555555555",
                BicepExpression { Source: "insights.properties.ConnectionString" } => "InstrumentationKey=none",
                BicepExpression { Source: var source } => File.Default(source.StartsWith("string(", StringComparison.Ordinal) ? source[7..^1] : source)!.Text,
                var other => throw new InvalidOperationException($"{setting.Key} is no text: {other}"),
            }),
            StringComparer.Ordinal);
    }

    private static HashSet<string> ReadByTheApp(Dictionary<string, string?> settings)
    {
        var read = new HashSet<string>(StringComparer.Ordinal);
        using var services = new ServiceCollection().AddCdp(Configuration(settings, read)).BuildServiceProvider();
        services.GetRequiredService<StorageClients>();
        return read;
    }

    private static IConfigurationRoot Configuration(Dictionary<string, string?> settings, HashSet<string> read) =>
        new ConfigurationBuilder().Add(new Recorder(settings, read)).Build();

    private static List<T> Triggers<T>() where T : TriggerBindingAttribute =>
        [.. typeof(CdpApplication).Assembly.GetTypes().SelectMany(type => type.GetMethods()).Where(method => method.IsDefined(typeof(FunctionAttribute)))
            .SelectMany(method => method.GetParameters()).Select(parameter => parameter.GetCustomAttribute<T>()).OfType<T>()];

    [GeneratedRegex("`(?<name>[A-Za-z_]+)`", RegexOptions.None, 1000)]
    private static partial Regex Code();

    [GeneratedRegex("%(?<name>[^%]+)%", RegexOptions.None, 1000)]
    private static partial Regex Percent();

    [GeneratedRegex(@"^subscriptionResourceId\('Microsoft\.Authorization/roleDefinitions', (?<name>\w+)\.id\)$", RegexOptions.None, 1000)]
    private static partial Regex RoleDefinition();

    [GeneratedRegex(@"^param (?<name>\w+) =", RegexOptions.Multiline, 1000)]
    private static partial Regex ParameterLine();

    /// <summary>Settings that note who asks for which of them, absent ones too.</summary>
    private sealed class Recorder(Dictionary<string, string?> settings, HashSet<string> read) : ConfigurationProvider, IConfigurationSource
    {
        public IConfigurationProvider Build(IConfigurationBuilder builder) => this;

        public override bool TryGet(string key, out string? value)
        {
            read.Add(key);
            return settings.TryGetValue(key, out value);
        }
    }
}
