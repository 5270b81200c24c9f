// Everything one deployment of CdpFunctions needs, in one resource group. See README.md beside this file.
targetScope = 'resourceGroup'

@description('Prefix of the resource names.')
@minLength(2)
@maxLength(10)
param name string = 'cdp'

@description('Azure region; it must offer the Flex Consumption plan.')
param location string = resourceGroup().location

@description('Address at which clients reach the app, if it is behind a front door or a custom domain; empty for the address of the function app.')
param publicUrl string = ''

@description('Bytes that a batch request may have after decompression, at most 30,000,000.')
@minValue(1)
@maxValue(30000000)
param maxBatchBytes int = 4096000

@description('When all profiles are exported for a warehouse: six fields of a cron expression, seconds first, in UTC; off to do it on demand only.')
param profilesExportSchedule string = '0 0 3 * * *'

@description('Rows of a file of an export.')
@minValue(1000)
@maxValue(1000000)
param exportRowsPerPart int = 100000

@description('Days that exports of all profiles are kept for a warehouse to fetch: they hold personal data.')
@minValue(1)
@maxValue(3650)
param profilesExportDays int = 30

@description('An API key with every scope, 32 random characters or more, to make the first keys with; empty once others exist.')
@secure()
param adminKey string = ''

@description('Whether destinations may be inside private networks.')
param allowPrivateDestinations bool = false

@description('32 bytes as base64 that secrets of destinations are encrypted with; empty: a key is made and kept in the storage.')
@secure()
param secretsKey string = ''

@description('How the storage account is replicated: locally, over zones, or to a second region as well.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageReplication string = 'Standard_ZRS'

@description('Instances that the app may scale out to.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 100

@description('Memory of an instance in MB; CPU and network come in proportion.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Days that logs and telemetry are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Deploys a Service Bus namespace for the destination of that type; it costs about 10 USD a month whether used or not.')
param deployServiceBus bool = false

@description('Makes names unique in the world, and stays the same for a resource group.')
var suffix = uniqueString(resourceGroup().id)

@description('Name of the function app and first part of its address.')
var appName = 'func-${name}-${suffix}'

@description('Name of the storage account: 24 lower-case letters and digits at most.')
var storageName = take('st${toLower(replace(name, '-', ''))}${suffix}', 24)

@description('Container that a deployment puts the package into and instances start from.')
var packageContainerName = 'app-package'

@description('Tables of the app.')
var tableNames = [
  'profiles'
  'identities'
  'config'
  'failures'
  'stats'
  'catalog'
  'deliveries'
  'triggers'
]

@description('Queues of the app, each followed by the one that takes what failed on every try.')
var queueNames = [
  'events'
  'events-poison'
  'merges'
  'merges-poison'
  'segments'
  'segments-poison'
  'deliveries'
  'deliveries-poison'
  'exports'
  'exports-poison'
  'imports'
  'imports-poison'
]

@description('Blob containers of the app.')
var containerNames = [
  'raw'
  'overflow'
  'exports'
  'feeds'
  'imports'
]

@description('Built-in roles that the app needs on the storage account.')
var storageRoles = [
  // The Functions host asks for Owner: it keeps keys, leases and the package in blobs.
  { name: 'Storage Blob Data Owner', id: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b' }
  { name: 'Storage Queue Data Contributor', id: '974c5e8b-45b9-4653-ba55-5f855dd0fb88' }
  { name: 'Storage Table Data Contributor', id: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3' }
]

@description('Built-in role that sends telemetry.')
var metricsPublisher = { name: 'Monitoring Metrics Publisher', id: '3913510d-42f4-4e42-8a64-420c390055eb' }

@description('Built-in role that puts messages into a queue, and does nothing else.')
var queueSender = { name: 'Storage Queue Data Message Sender', id: 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a' }

@description('Built-in role that sends to a Service Bus topic.')
var serviceBusSender = { name: 'Azure Service Bus Data Sender', id: '69a216fc-b8fb-44d8-bc22-1f3c2cd27a39' }

@description('Settings of the function app. The runtime is set in functionAppConfig: Flex Consumption refuses FUNCTIONS_WORKER_RUNTIME and FUNCTIONS_EXTENSION_VERSION.')
var settings = {
  // The storage account, for the host and for the app alike.
  AzureWebJobsStorage__accountName: storage.name
  // Tells the host to sign in as the managed identity named next.
  AzureWebJobsStorage__credential: 'managedidentity'
  // Which of possibly several identities of the app is meant.
  AzureWebJobsStorage__clientId: identity.properties.clientId
  // Where the host sends telemetry.
  APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
  // The host sends telemetry as the managed identity; keys are switched off.
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
  // See the parameter publicUrl.
  Cdp__PublicUrl: publicUrl
  // See the parameter maxBatchBytes.
  Cdp__MaxBatchBytes: string(maxBatchBytes)
  // See the parameter profilesExportSchedule.
  Cdp__ProfilesExportSchedule: profilesExportSchedule
  // See the parameter exportRowsPerPart.
  Cdp__ExportRowsPerPart: string(exportRowsPerPart)
  // See the parameter adminKey.
  Cdp__AdminKey: adminKey
  // See the parameter allowPrivateDestinations.
  Cdp__AllowPrivateDestinations: string(allowPrivateDestinations)
  // See the parameter secretsKey.
  Cdp__SecretsKey: secretsKey
}

@description('Whom the app is to other resources. It exists before the app, so that the app has its roles from its first start.')
resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${name}-${suffix}'
  location: location
}

@description('All data of the app, and what the Functions host keeps for itself. No keys: Entra ID alone opens it.')
resource storage 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: storageName
  location: location
  kind: 'StorageV2'
  sku: {
    name: storageReplication
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

@description('Blob service of the account.')
resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: storage
  name: 'default'
}

@description('Queue service of the account.')
resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' = {
  parent: storage
  name: 'default'
}

@description('Table service of the account.')
resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2024-01-01' = {
  parent: storage
  name: 'default'
}

@description('Tables of the app.')
resource tables 'Microsoft.Storage/storageAccounts/tableServices/tables@2024-01-01' = [for table in tableNames: {
  parent: tableService
  name: table
}]

@description('Queues of the app.')
resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [for queue in queueNames: {
  parent: queueService
  name: queue
}]

@description('Blob containers of the app.')
resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = [for container in containerNames: {
  parent: blobService
  name: container
}]

@description('Deletes old exports of all profiles. What the next delta needs is not among them.')
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2024-01-01' = {
  parent: storage
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'old-exports-of-all-profiles'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: ['blockBlob', 'appendBlob']
              prefixMatch: ['exports/_profiles/']
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: profilesExportDays
                }
              }
            }
          }
        }
      ]
    }
  }
}

@description('Container of the deployed package.')
resource packageContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: blobService
  name: packageContainerName
}

@description('Where logs and telemetry are kept.')
resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: 'log-${name}-${suffix}'
  location: location
  properties: {
    retentionInDays: logRetentionDays
    sku: {
      name: 'PerGB2018'
    }
  }
}

@description('Telemetry of the app. No keys: Entra ID alone lets send to it.')
resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${name}-${suffix}'
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    DisableLocalAuth: true
    WorkspaceResourceId: logs.id
  }
}

@description('Flex Consumption: billed by execution, nothing when idle.')
resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${name}-${suffix}'
  location: location
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

@description('The app. Its health is asked at /healthz by whoever stands in front: the platform has no health check on this plan.')
resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: appName
  location: location
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${packageContainerName}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: {
        name: 'dotnet-isolated'
        version: '10.0'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
      }
    }
    siteConfig: {
      // Pixels run on every site that has one. The platform answers preflights; without this it would answer them without any header.
      cors: {
        allowedOrigins: ['*']
        supportCredentials: false
      }
      minTlsVersion: '1.2'
    }
  }
  // The host reads the account and the package at its first start.
  dependsOn: [
    packageContainer
    storageRoleAssignments
  ]
}

@description('Settings of the app.')
resource appSettings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: settings
}

@description('The app on the storage account.')
resource storageRoleAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in storageRoles: {
  name: guid(storage.id, identity.id, role.id)
  scope: storage
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.id)
  }
}]

@description('The app on Application Insights.')
resource insightsRoleAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, identity.id, metricsPublisher.id)
  scope: insights
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher.id)
  }
}

@description('What the storage account tells of its blobs. Its own identity delivers it.')
resource uploads 'Microsoft.EventGrid/systemTopics@2022-06-15' = {
  name: 'evgt-${name}-${suffix}'
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: storage.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

@description('Event Grid on the queue of imports, and on no other.')
resource uploadsRoleAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, uploads.id, queueSender.id)
  scope: queues[indexOf(queueNames, 'imports')]
  properties: {
    principalId: uploads.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueSender.id)
  }
}

@description('Files that were uploaded for an import, each a message in its queue.')
resource uploadsSubscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2022-06-15' = {
  parent: uploads
  name: 'imports'
  properties: {
    deliveryWithResourceIdentity: {
      identity: {
        type: 'SystemAssigned'
      }
      destination: {
        endpointType: 'StorageQueue'
        properties: {
          resourceId: storage.id
          queueName: 'imports'
          // A week.
          queueMessageTimeToLiveInSeconds: 604800
        }
      }
    }
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      subjectBeginsWith: '/blobServices/default/containers/imports/blobs/files/'
    }
  }
  dependsOn: [
    uploadsRoleAssignment
  ]
}

@description('Service Bus. No keys: Entra ID alone opens it.')
resource serviceBus 'Microsoft.ServiceBus/namespaces@2024-01-01' = if (deployServiceBus) {
  name: 'sb-${name}-${suffix}'
  location: location
  sku: {
    name: 'Standard'
    tier: 'Standard'
  }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
  }
}

@description('What the app publishes; subscriptions are its consumers\' business.')
resource serviceBusTopic 'Microsoft.ServiceBus/namespaces/topics@2024-01-01' = if (deployServiceBus) {
  parent: serviceBus
  name: 'cdp'
}

@description('The app on that topic, and on no other.')
resource serviceBusRoleAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (deployServiceBus) {
  name: guid(serviceBusTopic.id, identity.id, serviceBusSender.id)
  scope: serviceBusTopic
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', serviceBusSender.id)
  }
}

@description('Name of the function app, for the deployment of the package.')
output functionAppName string = app.name

@description('Address of the function app.')
output url string = 'https://${app.properties.defaultHostName}'

@description('Name of the storage account.')
output storageAccountName string = storage.name

@description('Host name of the Service Bus namespace; empty without one.')
output serviceBusNamespace string = deployServiceBus ? '${serviceBus.name}.servicebus.windows.net' : ''
